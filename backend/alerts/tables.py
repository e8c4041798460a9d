"""Tables of alerts and of the notifications about them."""

from uuid import UUID

from sqlalchemy import CheckConstraint, Index, SmallInteger, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table


class AlertRow(Table):
    """One alert (see `backend.alerts.states`); ``subject`` is what it is about where a rule watches many: a tag."""

    __tablename__ = "alert"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    rule: Mapped[str] = mapped_column(Text)
    subject: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    since: Mapped[Moment]
    fired_at: Mapped[Moment | None]
    calm_since: Mapped[Moment | None]
    resolved_at: Mapped[Moment | None]
    words: Mapped[str] = mapped_column(Text)
    unjudged: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (
        CheckConstraint("state IN ('pending', 'firing', 'resolved')", name="state"),
        Index("ix_alert_current", "rule", "subject", unique=True, postgresql_where=text("state <> 'resolved'")),
        Index("ix_alert_resolved_at", "resolved_at"),
    )


class NotificationRow(Table):
    """A notification to be sent once, on one channel.

    Attributes:
        key: of the notification; queued again, it is the same row.
        notification: its fields, as they were when it was queued (see `backend.alerts.channels.Notification`).
        due_at: when to try, the first time or again.
    """

    __tablename__ = "notice"

    key: Mapped[str] = mapped_column(Text, primary_key=True)
    channel: Mapped[str] = mapped_column(Text, primary_key=True)
    notification: Mapped[dict[str, str]] = mapped_column("telling", JSONB)
    due_at: Mapped[Moment]
    attempts: Mapped[int] = mapped_column(SmallInteger)
    sent_at: Mapped[Moment | None]
    error: Mapped[str | None] = mapped_column(Text)

    __table_args__ = (Index("ix_notice_due_at", "due_at", postgresql_where=text("sent_at IS NULL")),)


class RuleRow(Table):
    """The last evaluation of a rule, over all its subjects.

    Attributes:
        broken: None: it could not be judged.
        words: the figures, or why it could not be judged.
    """

    __tablename__ = "alert_rule"

    rule: Mapped[str] = mapped_column(Text, primary_key=True)
    evaluated_at: Mapped[Moment]
    broken: Mapped[bool | None]
    words: Mapped[str] = mapped_column(Text)


class SilenceRow(Table):
    """An alert of which nobody is notified until a moment; ``subject`` empty: all of the rule."""

    __tablename__ = "alert_silence"

    rule: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    until: Mapped[Moment]
