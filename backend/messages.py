"""What the HTTP contract's messages share: strict types, and words that the database can hold."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from backend.observability import UNKNOWN_FIELDS


class Message(BaseModel):
    """A message of the contract: types are strict; unknown fields are ignored and counted.

    They are not refused, since a newer extension may meet an older service.
    """

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def count_unknown(cls, data: Any) -> Any:
        """Count the fields that this version does not know."""
        if isinstance(data, dict) and (unknown := data.keys() - cls.model_fields.keys()):
            UNKNOWN_FIELDS.inc(len(unknown))
        return data


def whole(value: object) -> object:
    """Read ``7.0`` as 7: to JSON both are the same number, and some clients write all of them so."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Whole = BeforeValidator(whole)
"""Marks a whole number; behind its bounds, which else would be missing in the OpenAPI document."""

# JSON has no UUID of its own: a string is the only way to write one, strict or not.
Id = Annotated[UUID, Field(strict=False)]

# Spaces and control characters, one by one: by \s every language means something else, and the OpenAPI document speaks
# to all of them.
NO_NAMES = r"\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200f\u2028-\u202f\u205f\u3000"

# No tag or name has control characters, and PostgreSQL can't store all of them.
Label = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[^\u0000-\u001f\u007f]+$")]
"""A short name, such as an extension's version."""

Tag = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=rf"^[^,;<>{NO_NAMES}]+$")]
"""A tag's name. Sites in other languages have tags beyond ASCII, so only what no tag can have is refused."""

Site = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""A site's host name, in lower case: ``stackoverflow.com``."""
