"""When each rule was last judged, and what came of it: "All quiet" means little where nothing could be judged."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.alerts.rules import Rule
from backend.alerts.states import Evaluation
from backend.alerts.tables import RuleRow


@dataclass(frozen=True, slots=True)
class RuleStatus:
    """The last evaluation of a rule.

    Attributes:
        broken: None: it could not be judged.
        words: the figures, or why it could not be judged.
        evaluated_at: None: never yet.
    """

    rule: str
    title: str
    broken: bool | None
    words: str
    evaluated_at: datetime | None


@dataclass(frozen=True, slots=True)
class RulesSummary:
    """All rules, in the order of their file."""

    rules: Sequence[RuleStatus]

    @property
    def judged(self) -> int:
        """How many could be judged."""
        return sum(status.broken is not None for status in self.rules)

    @property
    def broken(self) -> int:
        """How many are broken."""
        return sum(bool(status.broken) for status in self.rules)

    @property
    def evaluated_at(self) -> datetime | None:
        """When the rules about minutes were judged last."""
        return max((status.evaluated_at for status in self.rules if status.evaluated_at), default=None)

    @property
    def not_judged(self) -> list[RuleStatus]:
        """The rules that could not be judged; their words say why."""
        return [status for status in self.rules if status.broken is None]

    def describe(self, now: datetime) -> str:
        """Return the state of all rules in a line: ``10 of 10 rules judged, none broken, a minute ago``."""
        at = self.evaluated_at
        if at is None:
            return f"None of {len(self.rules)} rules has been judged yet"
        minutes = round((now - at).total_seconds() / 60)
        ago = "just now" if minutes < 1 else "a minute ago" if minutes == 1 else f"{minutes} minutes ago"
        return f"{self.judged} of {len(self.rules)} rules judged, {self.broken or 'none'} broken, {ago}"


async def record_evaluation(
    session: AsyncSession, rule: str, evaluations: Collection[Evaluation], now: datetime
) -> None:
    """Record what came of a rule: broken if one of its subjects is, not judged if none could be."""
    verdicts = {evaluation.breached for evaluation in evaluations}
    broken = True if True in verdicts else False if False in verdicts or not verdicts else None
    words = " ".join(evaluation.words for evaluation in evaluations if evaluation.breached is broken)
    values = {"evaluated_at": now, "broken": broken, "words": words[:2000]}
    statement = insert(RuleRow).values(rule=rule, **values)
    await session.execute(statement.on_conflict_do_update(index_elements=["rule"], set_=values))


async def read_rules_summary(session: AsyncSession, rules: Mapping[str, Rule]) -> RulesSummary:
    """Return the last evaluation of every rule."""
    rows = {row.rule: row for row in await session.scalars(select(RuleRow))}
    statuses = []
    for name, rule in rules.items():
        row = rows.get(name)
        if row is None:
            statuses.append(RuleStatus(name, rule.title, None, "Not judged yet.", None))
        else:
            statuses.append(RuleStatus(name, rule.title, row.broken, row.words, row.evaluated_at))
    return RulesSummary(statuses)
