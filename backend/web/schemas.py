"""What the HTTP contract's messages share: strict types, and words that the database can hold."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from backend.web.metrics import UNKNOWN_FIELDS


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

Version = Annotated[str, StringConstraints(min_length=1, max_length=32, pattern=r"^[0-9A-Za-z.+-]+$")]
"""An extension's version: ``1.4.2``, ``2.0.0-beta.1+7``."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=50, pattern=r"^[0-9A-Za-z._-]+$")]
"""A short name of ours, such as that of a generation of the page."""


FILLERS = frozenset("\u115f\u1160\u3164\uffa0")
"""Hangul's fillers: letters to Unicode, but nobody sees them."""


def check_visible(tag: str) -> str:
    """Refuse a tag with letters that nobody sees."""
    if not FILLERS.isdisjoint(tag):
        raise ValueError("must not hold invisible letters")
    return tag


Tag = Annotated[
    str,
    StringConstraints(min_length=1, max_length=50, pattern=r"^[\p{L}\p{N}.][\p{L}\p{N}.+#_-]*$"),
    AfterValidator(check_visible),
]
"""A tag's name. Sites in other languages have letters beyond ASCII; none has spaces, controls or invisible marks."""

Site = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""A site's host name, in lower case: ``stackoverflow.com``."""
