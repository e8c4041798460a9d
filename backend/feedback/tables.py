"""Tables of events as they came, of the items that they project to, and of anonymised questions."""

from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, BigInteger, CheckConstraint, ForeignKey, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB, REAL
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table

# No install has assigned so many numbers: a higher one is absurd.
MAX_SEQUENCE = 10_000_000

# No install has lost so many events in a row: a number further above the highest known one is absurd, too. It is
# refused, and where an older version has stored one, the gap before it is no loss.
MAX_GAP = 10_000

# A writer who views, accepts and removes all day stays far below it.
MAX_EVENTS_OF_DRAFT = 2_000


class Event(Table):
    """One thing that a writer did, as the extension reported it; append-only.

    ``at`` is ``occurred_at`` on the server's clock: corrected by the batch's ``sent_at``, and no earlier than what it
    is about nor later than its receipt. ``names`` are what ``tag`` or ``tags`` count as, where it differs.
    """

    __tablename__ = "event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    install_id: Mapped[UUID]
    sequence: Mapped[int] = mapped_column(BigInteger)
    kind: Mapped[str] = mapped_column(Text)
    draft_id: Mapped[UUID] = mapped_column(ForeignKey("draft.id"))
    suggestion_id: Mapped[UUID | None] = mapped_column(ForeignKey("suggestion.id"), index=True)
    tag: Mapped[str | None] = mapped_column(Text)
    position: Mapped[int | None] = mapped_column(SmallInteger)
    tags: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    names: Mapped[list[str] | None] = mapped_column(ARRAY(Text))
    question_id: Mapped[int | None] = mapped_column(BigInteger)
    site: Mapped[str | None] = mapped_column(Text)
    occurred_at: Mapped[Moment]
    sent_at: Mapped[Moment]
    received_at: Mapped[Moment]
    at: Mapped[Moment]

    __table_args__ = (
        CheckConstraint(
            "kind IN ('viewed', 'accepted', 'removed', 'dismissed', 'restored', 'posted', 'suggested')", name="kind"
        ),
        Index("ix_event_draft_id_tag", "draft_id", "tag"),
        Index("ix_event_install_id_sequence", "install_id", "sequence", "received_at"),
        Index("ix_event_dismissed_received_at", "received_at", postgresql_where=text("kind = 'dismissed'")),
        Index("ix_event_received_at", "received_at"),
    )


class Refused(Table):
    """An event that was refused, by its id, so that a resend neither counts twice nor looks like a loss."""

    __tablename__ = "refused"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    install_id: Mapped[UUID]
    sequence: Mapped[int] = mapped_column(BigInteger)
    reason: Mapped[str] = mapped_column(Text)
    received_at: Mapped[Moment]

    __table_args__ = (
        Index("ix_refused_install_id_sequence", "install_id", "sequence", "received_at"),
        Index("ix_refused_received_at", "received_at"),
    )


class WaitingEvent(Table):
    """An event about a device's answer that came before the answer; it enters no rate until that comes.

    ``content`` is the event as it was sent. `backend.feedback.waiting` says what becomes of it.
    """

    __tablename__ = "waiting_event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    install_id: Mapped[UUID]
    sequence: Mapped[int] = mapped_column(BigInteger)
    draft_id: Mapped[UUID] = mapped_column(index=True)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    sent_at: Mapped[Moment]
    received_at: Mapped[Moment]

    __table_args__ = (
        Index("ix_waiting_event_install_id_sequence", "install_id", "sequence", "received_at"),
        Index("ix_waiting_event_received_at", "received_at"),
    )


Numbered = Event | Refused | WaitingEvent
NUMBERED: tuple[type[Numbered], ...] = (Event, Refused, WaitingEvent)
"""The tables of events with the numbers that their installs gave them; each event is in one of them."""


class Numbering(Table):
    """Up to which number an install's events were deleted for their age: below it, nothing is a gap."""

    __tablename__ = "numbering"

    install_id: Mapped[UUID] = mapped_column(primary_key=True)
    sequence: Mapped[int] = mapped_column(BigInteger)


class Item(Table):
    """One offered tag in one draft: the projection of its events, written in the same transaction.

    ``suggestion_id``, ``rank`` (from 1, by score), ``score`` and ``position`` (from 1, on screen) are of the
    first view. ``removed_at`` and ``dismissed_at`` are set while removal or dismissal was the last action.
    ``impossible`` marks an order of events that no writer can produce, such as accepted but never viewed.
    """

    __tablename__ = "item"

    draft_id: Mapped[UUID] = mapped_column(ForeignKey("draft.id"), primary_key=True)
    tag: Mapped[str] = mapped_column(Text, primary_key=True)
    suggestion_id: Mapped[UUID] = mapped_column(ForeignKey("suggestion.id"), index=True)
    rank: Mapped[int] = mapped_column(SmallInteger)
    score: Mapped[float] = mapped_column(REAL)
    position: Mapped[int | None] = mapped_column(SmallInteger)
    viewed_at: Mapped[Moment | None]
    accepted_at: Mapped[Moment | None]
    removed_at: Mapped[Moment | None]
    dismissed_at: Mapped[Moment | None]
    impossible: Mapped[bool]

    __table_args__ = (Index("ix_item_viewed_at", "viewed_at"),)


class Feedback(Table):
    """A posted question's tags and the offered ones, without draft and install.

    ``month`` (UTC, like ``2026-11``) is that of posting; rows of older versions do not know it.
    """

    __tablename__ = "feedback"

    site: Mapped[str] = mapped_column(Text, primary_key=True)
    question_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    posted_tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    offered_tags: Mapped[list[str]] = mapped_column(ARRAY(Text))
    model_version: Mapped[str] = mapped_column(Text)
    month: Mapped[str | None] = mapped_column(Text)
