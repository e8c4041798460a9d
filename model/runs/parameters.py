"""Parameters of a run: their names in the code may change, their keys in records and manifests stay."""

from collections.abc import Mapping
from dataclasses import field, fields
from typing import Any, TypeVar

_Parameters = TypeVar("_Parameters")
_Value = TypeVar("_Value")


def stored_as(key: str, default: _Value) -> _Value:
    """Declare a field of a dataclass whose key in records and manifests is another than its name."""
    declared: Any = field(default=default, metadata={"key": key})
    return declared  # type: ignore[no-any-return]


def to_record(parameters: Any) -> dict[str, Any]:
    """Return the fields of a dataclass by their keys in records and manifests."""
    return {key: getattr(parameters, name) for name, key in _keys(parameters).items()}


def from_record(kind: type[_Parameters], record: Mapping[str, Any]) -> _Parameters:
    """Return parameters from what ``to_record`` returned, also after it was JSON.

    Raises:
        KeyError: a key is none of theirs.
    """
    names = {key: name for name, key in _keys(kind).items()}
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in record.items()}
    return kind(**{names[key]: value for key, value in values.items()})


def _keys(parameters: Any) -> dict[str, str]:
    return {declared.name: declared.metadata.get("key", declared.name) for declared in fields(parameters)}
