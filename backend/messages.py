"""What the HTTP contract's messages share: strict types, and words that the database can hold."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, model_validator

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


def without_controls(value: str) -> str:
    """Refuse control characters, which no tag or name has and PostgreSQL can't store in part."""
    if any(ord(char) < 32 or ord(char) == 127 for char in value):
        raise ValueError("must not contain control characters")
    return value


# JSON has no UUID of its own: a string is the only way to write one, strict or not.
Id = Annotated[UUID, Field(strict=False)]

Label = Annotated[str, StringConstraints(min_length=1, max_length=50), AfterValidator(without_controls)]
"""A short name, such as an extension's version."""

Tag = Annotated[
    str,
    StringConstraints(min_length=1, max_length=50, pattern=r"^[^\s,;<>]+$"),
    AfterValidator(without_controls),
]
"""A tag's name. Sites in other languages have tags beyond ASCII, so only what no tag can have is refused."""

Site = Annotated[str, StringConstraints(max_length=100, pattern=r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$")]
"""A site's host name, in lower case: ``stackoverflow.com``."""
