"""Messages of the feedback: a batch of events in, what became of each out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, WithJsonSchema

from backend.web.schemas import Id, Message, Site, Tag, Whole

MAX_EVENTS = 100


# A moment of those years as RFC 3339 writes it, leap days included. [0-9] since not all languages mean that by \d.
MOMENT = (
    r"^((19|[2-8][0-9])[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))|((19|[2-8][0-9])(0[48]|[2468][048]|[13579][26])|([2468][048]|[357][26])00)-02-29)"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)


def in_range(moment: datetime) -> datetime:
    """Refuse what no clock says. A clock that lost its battery says 1970 or 1980, and its events are worth as much."""
    if not 1900 <= moment.year < 9000:
        raise ValueError("must lie between the years 1900 and 9000")
    return moment.astimezone(UTC)


def written(moment: object) -> object:
    """Refuse numbers: seconds, milliseconds or days, nobody can tell."""
    if not isinstance(moment, str):
        raise ValueError('must be a string, as in "2026-01-31T12:00:00Z"')
    return moment


Timestamp = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(written),
    AfterValidator(in_range),
    # Not by "format": there, of all moments that can be written so, some are out of range.
    WithJsonSchema({"type": "string", "pattern": MOMENT, "examples": ["2026-01-31T12:00:00.123Z"]}),
]
QuestionId = Annotated[int, Field(ge=1, lt=2**53), Whole]


class EventBase(Message):
    """What every event has: an id made by the client, and its place in the install's sequence, from 1."""

    id: Id
    sequence: Annotated[int, Field(ge=1, lt=2**53), Whole]
    occurred_at: Timestamp
    draft_id: Id


class Viewed(EventBase):
    """A chip was seen: at least half of it, for 750 ms, tab in front; ``position`` on screen, from 1."""

    kind: Literal["viewed"]
    suggestion_id: Id
    tag: Tag
    position: Annotated[int, Field(ge=1, le=100), Whole]


class Acted(EventBase):
    """A writer accepted an offered tag (and the page took it), took it out again, said no, or took that back."""

    kind: Literal["accepted", "removed", "dismissed", "restored"]
    suggestion_id: Id
    tag: Tag


class Posted(EventBase):
    """The question was posted with these tags. A post that is no question yet (staging) has no number."""

    kind: Literal["posted"]
    tags: Annotated[list[Tag], Field(max_length=20)]
    question_id: QuestionId | None
    site: Site


def without_discriminator(schema: dict[str, Any]) -> None:
    """Leave out of the OpenAPI document what the kinds say anyway; tools misread one that several kinds share."""
    schema.pop("discriminator", None)


AnyEvent = Annotated[Viewed | Acted | Posted, Field(discriminator="kind", json_schema_extra=without_discriminator)]


class EventBatch(Message):
    """Up to 100 events of one install. A resend of any of them changes nothing."""

    install_id: Id
    sent_at: Timestamp
    events: Annotated[list[AnyEvent], Field(max_length=MAX_EVENTS)]


class RefusedEvent(BaseModel):
    """An event that was not taken, and why. Sending it again is no use."""

    id: UUID
    reason: str


class Receipt(BaseModel):
    """What became of a batch: every event is now stored (new or known already) or refused."""

    new: int
    known: int
    refused: list[RefusedEvent]
