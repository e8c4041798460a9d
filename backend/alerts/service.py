"""Evaluating the rules, by one replica at a time, and sending notifications, each once."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal
from uuid import uuid4

from sqlalchemy import case, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.statements import tune_for_counting
from backend.alerts.channels import Notification, Occasion, Send
from backend.alerts.deployment_notices import list_deployment_notices
from backend.alerts.evaluation import EvaluationContext, Evaluations, UsualShares, evaluate_rule
from backend.alerts.rule_status import record_evaluation
from backend.alerts.rules import DAILY_RULES, Rule
from backend.alerts.silences import Silences, read_silences
from backend.alerts.states import Alert, Evaluation, advance_alert
from backend.alerts.tables import AlertRow, NotificationRow, RuleRow
from backend.postgres.database import Database
from backend.postgres.locks import AdvisoryLock, try_lock

log = logging.getLogger(__name__)

EVALUATE_EVERY = 60.0
EVALUATE_DAILY_EVERY = timedelta(hours=1)
NOTIFY_EVERY = 10.0

# Sending is tried again after a minute, then after twice as long each time, up to an hour, for two days.
FIRST_PAUSE, LONGEST_PAUSE, MAX_ATTEMPTS = timedelta(minutes=1), timedelta(hours=1), 50

# Deployments of longer ago are no news, as when the service was down while a command made them.
MAX_DEPLOYMENT_AGE = timedelta(days=2)

# How long a resolved alert is shown.
RESOLVED_SHOWN = timedelta(days=30)


class Alerts:
    """The rules and channels of this service.

    Args:
        database: where alerts are kept.
        rules: by name.
        channels: by name; without any, alerts are still shown to the admin.
        data_dir: the folder whose disk the rule about it looks at.
        now: the clock, in UTC.
    """

    def __init__(
        self,
        database: Database,
        rules: Mapping[str, Rule],
        channels: Mapping[str, Send],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        data_dir: Path = Path(),
    ) -> None:
        self._data_dir = data_dir
        self._database = database
        self._rules = rules
        self._channels = channels
        self._now = now
        self._daily_evaluated_at: datetime | None = None
        self._usual = UsualShares()

    async def evaluate_due_rules(self) -> None:
        """Evaluate the rules about minutes and, at the first call and then hourly, those about days.

        While another replica evaluates, the rules about days stay due: the next call tries them again.
        """
        await self.evaluate_frequent_rules()
        now = self._now()
        due = self._daily_evaluated_at is None or now - self._daily_evaluated_at >= EVALUATE_DAILY_EVERY
        if due and await self.evaluate_daily_rules():
            self._daily_evaluated_at = now

    async def evaluate_daily_rules(self) -> bool:
        """Evaluate the rules about days, and resolve the alerts of rules that no longer exist.

        Returns:
            Whether they were evaluated; if not, another replica is at it.
        """
        await self._resolve_removed_rules()
        return await self._evaluate({name: rule for name, rule in self._rules.items() if isinstance(rule, DAILY_RULES)})

    async def evaluate_frequent_rules(self) -> bool:
        """Evaluate the rules about minutes and hours, and return whether that was done here."""
        return await self._evaluate(
            {name: rule for name, rule in self._rules.items() if not isinstance(rule, DAILY_RULES)}
        )

    async def _evaluate(self, rules: Mapping[str, Rule]) -> bool:
        """Evaluate rules and update their alerts, all in one transaction; of several replicas, one does it."""
        async with self._database.session(within=60) as session:
            if not await try_lock(session, AdvisoryLock.EVALUATE_ALERTS):
                return False
            await tune_for_counting(session)
            context = EvaluationContext(session, self._now(), self._usual, self._data_dir)
            silences = await read_silences(session, context.now)
            for name, rule in rules.items():
                evaluations = await evaluate_rule(rule, context)
                await record_evaluation(session, name, evaluations.values(), context.now)
                await self._update_alerts(session, name, rule, evaluations, context.now, silences)
        return True

    async def _update_alerts(
        self,
        session: AsyncSession,
        name: str,
        rule: Rule,
        evaluations: Evaluations,
        now: datetime,
        silences: Silences,
    ) -> None:
        """Advance the alerts of a rule to what follows from its evaluations."""
        rows = await session.scalars(select(AlertRow).where(AlertRow.rule == name, AlertRow.state != "resolved"))
        current = {row.subject: row for row in rows}
        for subject in sorted(evaluations.keys() | current.keys()):
            row = current.get(subject)
            evaluation = evaluations.get(subject) or Evaluation(False, "Not any more.")
            before = None if row is None else to_alert(row)
            pending, calm = timedelta(minutes=rule.pending), timedelta(minutes=rule.calm)
            after = advance_alert(before, evaluation, now, pending=pending, calm=calm)
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
                await self._notify_of(session, row, after.state, now, silences.end(name, subject))

    async def _notify_of(
        self,
        session: AsyncSession,
        row: AlertRow,
        state: Literal["firing", "resolved"],
        now: datetime,
        until: datetime | None,
    ) -> None:
        """Queue the notification of an alert; if it is silenced, for then, unless it is resolved before."""
        if until is None:
            await self._queue(session, [self._to_notification(row, state)], now)
        elif state == "firing":
            await self._queue(session, [self._to_notification(row, state)], until)
        else:
            unsent = NotificationRow.sent_at.is_(None), NotificationRow.key == f"{row.id}-firing"
            await session.execute(delete(NotificationRow).where(*unsent))

    async def _queue(self, session: AsyncSession, notifications: Iterable[Notification], due_at: datetime) -> None:
        """Queue notifications on every channel; one that was queued before is not sent again."""
        values = [
            {
                "key": notification.key,
                "channel": channel,
                "notification": asdict(notification),
                "due_at": due_at,
                "attempts": 0,
            }
            for notification in notifications
            for channel in sorted(self._channels)
        ]
        if values:
            await session.execute(insert(NotificationRow).values(values).on_conflict_do_nothing())

    async def notify(self) -> None:
        """Send what is due; what fails is tried again later, and what another replica is sending is left to it."""
        if not self._channels:
            return
        async with self._database.session() as session:
            now = self._now()
            await self._queue(session, await list_deployment_notices(session, now - MAX_DEPLOYMENT_AGE, now), now)
        while await self._send_next():
            pass

    async def _send_next(self) -> bool:
        """Send one notification, and return whether one was due."""
        async with self._database.session(within=30) as session:
            now = self._now()
            row = await self._lock_next(session, now)
            if row is None:
                return False
            notification = Notification(**row.notification)  # type: ignore[arg-type]  # as `_queue` has written it
            row.attempts += 1
            try:
                await asyncio.to_thread(self._channels[row.channel], notification)
            except Exception as error:  # each channel has errors of its own; none may stop the others
                log.warning("%s could not be sent by %s: %r", notification.rule, row.channel, error)
                row.due_at = now + min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (row.attempts - 1))
                row.error = f"{type(error).__name__}: {error}"[:500]
            else:
                row.sent_at, row.error = now, None
            return True

    async def _lock_next(self, session: AsyncSession, now: datetime) -> NotificationRow | None:
        """Return the next notification that is due and that no other replica is sending."""
        due = (
            select(NotificationRow)
            .where(
                NotificationRow.sent_at.is_(None),
                NotificationRow.due_at <= now,
                NotificationRow.attempts < MAX_ATTEMPTS,
                NotificationRow.channel.in_(list(self._channels)),
            )
            # An alert is reported as resolved after it was reported as firing.
            .order_by(
                NotificationRow.due_at,
                case((NotificationRow.notification["occasion"].astext == "resolved", 1), else_=0),
            )
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        row: NotificationRow | None = await session.scalar(due)
        return row

    def _to_notification(self, row: AlertRow, occasion: Occasion) -> Notification:
        rule = self._rules[row.rule]
        return Notification(
            key=f"{row.id}-{occasion}",
            rule=row.rule,
            subject=row.subject,
            occasion=occasion,
            title=rule.title,
            words=row.words,
            advice=rule.advice,
            since=f"{row.since:%Y-%m-%d %H:%M} UTC",
        )

    async def _resolve_removed_rules(self) -> None:
        async with self._database.session() as session:
            await session.execute(
                update(AlertRow)
                .where(AlertRow.state != "resolved", AlertRow.rule.not_in(list(self._rules)))
                .values(state="resolved", resolved_at=self._now(), words="The rule was taken out of the file of rules.")
            )
            await session.execute(delete(RuleRow).where(RuleRow.rule.not_in(list(self._rules))))


def to_alert(row: AlertRow) -> Alert:
    """Return a row as an alert."""
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
    """Return what an admin should see: firing, then pending, then lately resolved alerts, the newest of each first."""
    order = case((AlertRow.state == "firing", 0), (AlertRow.state == "pending", 1), else_=2)
    rows = await session.scalars(
        select(AlertRow)
        .where((AlertRow.state != "resolved") | (AlertRow.resolved_at > now - RESOLVED_SHOWN))
        .order_by(order, AlertRow.since.desc(), AlertRow.rule, AlertRow.subject)
    )
    return list(rows)
