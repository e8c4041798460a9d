"""Judging the rules by one replica at a time, and telling people, each thing once."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import case, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.statements import tune_for_counting
from backend.alerts.channels import Occasion, Send, Telling
from backend.alerts.deployment_notices import steps_between
from backend.alerts.evaluation import Look, Readings, days_needed, read
from backend.alerts.rules import DAILY, Rule
from backend.alerts.states import Alert, Reading, advance
from backend.alerts.tables import AlertRow, Notice
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, try_lock

log = logging.getLogger(__name__)

JUDGE_EVERY = 60.0
JUDGE_DAILY_EVERY = timedelta(hours=1)
TELL_EVERY = 10.0

# Telling is tried again after a minute, then after twice as long each time, up to an hour, for two days.
FIRST_PAUSE, LONGEST_PAUSE, MOST_ATTEMPTS = timedelta(minutes=1), timedelta(hours=1), 50

# A step of a deployment is told if no more time has gone by, as when the service was down while a command took it.
STEPS_TOLD = timedelta(days=2)

# A resolved alert is shown for so long.
SHOWN = timedelta(days=30)


class Alerts:
    """The rules and channels of this service.

    Args:
        database: where alerts are kept.
        rules: by name.
        channels: by name; without any, alerts are still shown to the admin.
        vocabulary: the tags of the model loaded now.
        now: the clock, in UTC.
    """

    def __init__(
        self,
        database: Database,
        rules: Mapping[str, Rule],
        channels: Mapping[str, Send],
        vocabulary: Callable[[], Collection[str]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._rules = rules
        self._channels = channels
        self._vocabulary = vocabulary
        self._now = now
        self._days_judged_at: datetime | None = None

    async def judge_due(self) -> None:
        """Judge the rules that look at minutes and, at the first call and then hourly, those that look at days.

        While another replica judges, the rules of days stay due: the next call tries them again.
        """
        await self.judge()
        now = self._now()
        due = self._days_judged_at is None or now - self._days_judged_at >= JUDGE_DAILY_EVERY
        if due and await self.judge_daily():
            self._days_judged_at = now

    async def judge_daily(self) -> bool:
        """Judge the rules that look at days, and resolve what stands under a rule that is no more.

        Returns:
            Whether they were judged; if not, another replica is judging.
        """
        await self._forget_rules()
        return await self._judge({name: rule for name, rule in self._rules.items() if isinstance(rule, DAILY)})

    async def judge(self) -> bool:
        """Judge the rules that look at minutes and hours, and return whether that was done here."""
        return await self._judge({name: rule for name, rule in self._rules.items() if not isinstance(rule, DAILY)})

    async def _judge(self, rules: Mapping[str, Rule]) -> bool:
        """Read every rule and write what follows, all in one transaction; of several replicas, one does it."""
        async with self._database.session(within=60) as session:
            if not await try_lock(session, AdvisoryLock.EVALUATE_ALERTS):
                return False
            await tune_for_counting(session)
            look = Look(session, self._now(), frozenset(self._vocabulary()))
            if days := max(map(days_needed, rules.values()), default=0):
                await look.prepare(days)
            for name, rule in rules.items():
                await self._follow(session, name, rule, await read(rule, look), look.now)
        return True

    async def _follow(self, session: AsyncSession, name: str, rule: Rule, readings: Readings, now: datetime) -> None:
        """Bring the alerts of a rule from what they were to what follows from the readings."""
        rows = await session.scalars(select(AlertRow).where(AlertRow.rule == name, AlertRow.state != "resolved"))
        current = {row.subject: row for row in rows}
        for subject in sorted(readings.keys() | current.keys()):
            row = current.get(subject)
            reading = readings.get(subject) or Reading(False, "Not any more.")
            before = None if row is None else of_row(row)
            after = advance(
                before,
                reading,
                now,
                pending=timedelta(minutes=rule.pending),
                calm=timedelta(minutes=rule.calm),
            )
            if after is None:
                if row is not None:
                    await session.delete(row)
                continue
            if row is None:
                row = AlertRow(id=uuid4(), rule=name, subject=subject, **asdict(after))
                session.add(row)
            else:
                for field, value in asdict(after).items():
                    setattr(row, field, value)
            await session.flush()
            if after.state != "pending" and (before is None or before.state != after.state):
                log.warning("alert %s: %s%s: %s", after.state, name, subject and f" ({subject})", after.words)
                await self._note(session, [self._telling(row, after.state)], now)

    async def _note(self, session: AsyncSession, tellings: Iterable[Telling], now: datetime) -> None:
        """Note that these must be told on every channel; what was noted before is not told again."""
        values = [
            {"key": telling.key, "channel": channel, "telling": asdict(telling), "due_at": now, "attempts": 0}
            for telling in tellings
            for channel in sorted(self._channels)
        ]
        if values:
            await session.execute(insert(Notice).values(values).on_conflict_do_nothing())

    async def tell(self) -> None:
        """Tell what is due; what fails is tried again later, and what another replica is telling is left to it."""
        if not self._channels:
            return
        async with self._database.session() as session:
            now = self._now()
            await self._note(session, await steps_between(session, now - STEPS_TOLD, now), now)
        while await self._tell_one():
            pass

    async def _tell_one(self) -> bool:
        async with self._database.session(within=30) as session:
            now = self._now()
            due = (
                select(Notice)
                .where(
                    Notice.sent_at.is_(None),
                    Notice.due_at <= now,
                    Notice.attempts < MOST_ATTEMPTS,
                    Notice.channel.in_(list(self._channels)),
                )
                # What was resolved is told after what fired.
                .order_by(Notice.due_at, case((Notice.telling["occasion"].astext == "resolved", 1), else_=0))
                .limit(1)
                .with_for_update(skip_locked=True)
            )
            notice = await session.scalar(due)
            if notice is None:
                return False
            telling = Telling(**notice.telling)  # type: ignore[arg-type]  # as `_note` has written it
            try:
                await asyncio.to_thread(self._channels[notice.channel], telling)
            except Exception as error:  # each channel has errors of its own; none may stop the others
                log.warning("%s could not be told by %s: %r", telling.rule, notice.channel, error)
                notice.attempts += 1
                notice.due_at = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (notice.attempts - 1))
                notice.error = f"{type(error).__name__}: {error}"[:500]
            else:
                notice.attempts += 1
                notice.sent_at, notice.error = now, None
            return True

    def _telling(self, row: AlertRow, occasion: Occasion) -> Telling:
        rule = self._rules[row.rule]
        return Telling(
            key=f"{row.id}-{occasion}",
            rule=row.rule,
            subject=row.subject,
            occasion=occasion,
            title=rule.title,
            words=row.words,
            advice=rule.advice,
            since=f"{row.since:%Y-%m-%d %H:%M} UTC",
        )

    async def _forget_rules(self) -> None:
        async with self._database.session() as session:
            await session.execute(
                update(AlertRow)
                .where(AlertRow.state != "resolved", AlertRow.rule.not_in(list(self._rules)))
                .values(state="resolved", resolved_at=self._now(), words="The rule was taken out of the file of rules.")
            )


def of_row(row: AlertRow) -> Alert:
    """A row as an alert."""
    return Alert(
        state=row.state,  # type: ignore[arg-type]  # the table's check says so
        since=row.since,
        words=row.words,
        fired_at=row.fired_at,
        calm_since=row.calm_since,
        resolved_at=row.resolved_at,
        unjudged=row.unjudged,
    )


async def list_alerts(session: AsyncSession, now: datetime) -> list[AlertRow]:
    """What an admin should see: firing first, then pending, then resolved lately, each the newest first."""
    order = case((AlertRow.state == "firing", 0), (AlertRow.state == "pending", 1), else_=2)
    rows = await session.scalars(
        select(AlertRow)
        .where((AlertRow.state != "resolved") | (AlertRow.resolved_at > now - SHOWN))
        .order_by(order, AlertRow.since.desc(), AlertRow.rule, AlertRow.subject)
    )
    return list(rows)
