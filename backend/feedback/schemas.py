"""Messages of feedback: a batch of events in, what became of each event out."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, FiniteFloat, WithJsonSchema

from backend.web.schemas import Id, Message, Name, Site, Tag, Version, Whole

MAX_EVENTS = 100
MAX_TAGS = 20

# A device that slept meanwhile may have taken hours.
MAX_LATENCY_MS = 86_400_000


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


Origin = Annotated[
    Literal["service", "device"],
    Field(description="device: it is about an answer of the model on the device, whose `suggested` may come later"),
]
Chars = Annotated[int, Field(ge=0, le=1_000_000), Whole]


class EventBase(Message):
    """What every event has: an id that the client makes, and its place in the install's sequence, from 1."""

    id: Id
    sequence: Annotated[int, Field(ge=1, lt=2**53), Whole]
    occurred_at: Timestamp
    draft_id: Id
    origin: Origin = "service"


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
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)]
    question_id: QuestionId | None
    site: Site


class DeviceAnswer(EventBase):
    """The model on the device answered a state of a draft at ``occurred_at``: what an answer of the service records.

    The first ``confident`` of ``tags``, best first, were offered. It begins the draft if nothing did before.
    """

    kind: Literal["suggested"]
    suggestion_id: Id
    draft_kind: Literal["ask", "edit", "try", "demo"] = "ask"
    site: Site
    page: Name | None = None
    extension_version: Version | None = None
    model_version: Version
    tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)]
    scores: Annotated[list[Annotated[FiniteFloat, Field(ge=0, le=1)]], Field(max_length=MAX_TAGS)]
    confident: Annotated[int, Field(ge=0, le=MAX_TAGS), Whole]
    title_chars: Chars
    body_chars: Chars
    latency_ms: Annotated[FiniteFloat, Field(ge=0, le=MAX_LATENCY_MS)]
    order: Literal["model", "random"] = "model"
    chosen_tags: Annotated[list[Tag], Field(max_length=MAX_TAGS)] = Field(default_factory=list)
    origin: Literal["device"] = "device"


def without_discriminator(schema: dict[str, Any]) -> None:
    """Leave the discriminator out of the OpenAPI document: tools misread one that several kinds share."""
    schema.pop("discriminator", None)


AnyEvent = Annotated[
    Viewed | Acted | Posted | DeviceAnswer, Field(discriminator="kind", json_schema_extra=without_discriminator)
]


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
