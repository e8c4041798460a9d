"""Messages of feedback: a batch of events in, what became of each event out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, WithJsonSchema

from backend.web.schemas import Id, Message, Site, Tag, Whole

MAX_EVENTS = 100


# A moment of these years in RFC 3339, leap days included. [0-9], since \d means more than that in some languages.
MOMENT = (
    r"^((19|[2-8][0-9])[0-9]{2}-((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)"
    r"|02-(0[1-9]|1[0-9]|2[0-8]))|((19|[2-8][0-9])(0[48]|[2468][048]|[13579][26])|([2468][048]|[357][26])00)-02-29)"
    r"T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$"
)


def check_range(moment: datetime) -> datetime:
    """Refuse years that no clock shows. A clock without its battery shows 1970 or 1980, and its events count as any."""
    if not 1900 <= moment.year < 9000:
        raise ValueError("must lie between the years 1900 and 9000")
    return moment.astimezone(UTC)


def require_string(moment: object) -> object:
    """Refuse numbers: they could be seconds, milliseconds or days."""
    if not isinstance(moment, str):
        raise ValueError('must be a string, as in "2026-01-31T12:00:00Z"')
    return moment


Timestamp = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(require_string),
    AfterValidator(check_range),
    # Not by "format": some of the moments that it allows are out of range.
    WithJsonSchema({"type": "string", "pattern": MOMENT, "examples": ["2026-01-31T12:00:00.123Z"]}),
]
QuestionId = Annotated[int, Field(ge=1, lt=2**53), Whole]


class EventBase(Message):
    """What every event has: an id that the client makes, and its place in the install's sequence, from 1."""

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
    """A writer accepted an offered tag (and the page has it), removed it again, dismissed it, or restored it."""

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
    """Leave the discriminator out of the OpenAPI document: tools misread one that several kinds share."""
    schema.pop("discriminator", None)


AnyEvent = Annotated[Viewed | Acted | Posted, Field(discriminator="kind", json_schema_extra=without_discriminator)]


class EventBatch(Message):
    """Up to 100 events of one install. A resend of any of them changes nothing."""

    install_id: Id
    sent_at: Timestamp
    events: Annotated[list[AnyEvent], Field(max_length=MAX_EVENTS)]


class RefusedEvent(BaseModel):
    """An event that was refused, and why. Sending it again is of no use."""

    id: UUID
    reason: str


class Receipt(BaseModel):
    """What became of a batch: every event is now stored (new or known already) or refused."""

    new: int
    known: int
    refused: list[RefusedEvent]
