"""Silencing alerts until a day: they are still judged and shown, and nobody is notified of them before."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.alerts.tables import NotificationRow, SilenceRow
from backend.audit.service import record_act

LONGEST = timedelta(days=366)


class SilenceError(ValueError):
    """An alert can't be silenced so; the message says why."""


@dataclass(frozen=True, slots=True)
class Silences:
    """What is silenced, and until when, by rule and subject."""

    until: dict[tuple[str, str], datetime]

    def end(self, rule: str, subject: str) -> datetime | None:
        """Return until when an alert is silenced, by itself or with all of its rule; None: it is not."""
        ends = [self.until[key] for key in {(rule, ""), (rule, subject)} if key in self.until]
        return max(ends, default=None)


async def read_silences(session: AsyncSession, now: datetime) -> Silences:
    """Return what is silenced now."""
    rows = await session.scalars(select(SilenceRow).where(SilenceRow.until > now))
    return Silences({(row.rule, row.subject): row.until for row in rows})


async def silence(
    session: AsyncSession, rules: Collection[str], rule: str, subject: str, until: date, now: datetime, *, actor: str
) -> None:
    """Silence an alert until a day begins (UTC); a day that has begun ends the silence.

    Args:
        session: the transaction; the audit log gets a line in it.
        rules: the names of all rules.
        rule: the rule's name.
        subject: what the alert is about; empty: all alerts of the rule.
        until: the day.
        now: the moment.
        actor: who does it, for the audit log.

    Raises:
        SilenceError: there is no such rule, or the day is too far away.
    """
    if rule not in rules:
        raise SilenceError(f"there is no rule {rule!r}; there are {', '.join(rules)}")
    end = datetime.combine(until, time.min, UTC)
    if end > now + LONGEST:
        raise SilenceError(f"{until} is more than a year away; take the rule out of the file of rules instead")
    about = NotificationRow.notification["rule"].astext == rule
    if subject:
        about &= NotificationRow.notification["subject"].astext == subject
    if end > now:
        statement = insert(SilenceRow).values(rule=rule, subject=subject, until=end)
        await session.execute(statement.on_conflict_do_update(index_elements=["rule", "subject"], set_={"until": end}))
    else:
        await session.execute(delete(SilenceRow).where(SilenceRow.rule == rule, SilenceRow.subject == subject))
    # What waits to be sent waits for the end of the silence, or no longer.
    await session.execute(
        update(NotificationRow).where(NotificationRow.sent_at.is_(None), about).values(due_at=max(end, now))
    )
    details = {"rule": rule, "until": until.isoformat()} if end > now else {"rule": rule}
    await record_act(session, "silence" if end > now else "end silence", subject or rule, details, actor=actor, at=now)
