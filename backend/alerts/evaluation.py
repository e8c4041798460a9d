"""Evaluation of the rules: the figures that each kind of rule looks at, and when it is broken."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import NormalDist

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.counts import count_dismissed_tags, count_drafts_begun, count_grid
from backend.acceptance.figures import Counts, Figure, Mean, Rate, add_counts
from backend.acceptance.filters import Filters
from backend.acceptance.intervals import difference_interval
from backend.alerts.rules import (
    BoundRule,
    BurstRule,
    DriftRule,
    DropRule,
    LostEventsRule,
    RequestRule,
    Rule,
    SilenceRule,
    find_figure,
)
from backend.alerts.states import Evaluation
from backend.drift.findings import Findings
from backend.drift.service import newest_findings
from backend.web.request_stats import read_request_stats

Evaluations = dict[str, Evaluation]
"""By subject; a rule that watches one thing has the subject ''."""

# From 95 % to the confidence that leaves out one ten-thousandth on either side: rules are evaluated every hour, and
# items of one draft, and drafts of one writer, are more alike than the intervals know.
STRETCH = NormalDist().inv_cdf(0.9999) / NormalDist().inv_cdf(0.975)

DAYS_COMPARED = 7
"""How many days before a silence is compared with."""


@dataclass
class EvaluationContext:
    """The database at one moment; days are counted once, however many rules look at them."""

    session: AsyncSession
    now: datetime
    vocabulary: frozenset[str]
    counts_by_day: dict[date, Counts] = field(default_factory=dict)

    @property
    def yesterday(self) -> date:
        """The last whole day, in UTC."""
        return self.now.date() - timedelta(days=1)

    async def count_days(self, days: int) -> None:
        """Count this many whole days at once."""
        filters = Filters(self.yesterday - timedelta(days=days - 1), self.yesterday)
        grid = await count_grid(self.session, filters, self.vocabulary, self.now)
        self.counts_by_day = grid.by_day(filters)

    def counts(self, days: int, before: int = 0) -> Counts:
        """Return the counts of whole days, the last of them ``before`` days before yesterday."""
        last = self.yesterday - timedelta(days=before)
        return add_counts(self.counts_by_day.get(last - timedelta(days=back), Counts()) for back in range(days))


def days_needed(rule: Rule) -> int:
    """Return how many whole days a rule's figure looks at."""
    match rule:
        case DropRule():
            return rule.days + rule.reference
        case BoundRule():
            return rule.days
    return 0


async def evaluate_rule(rule: Rule, context: EvaluationContext) -> Evaluations:
    """Evaluate a rule now."""
    match rule:
        case DropRule():
            return {"": evaluate_drop(rule, context)}
        case BoundRule():
            return {"": evaluate_bound(rule, context)}
        case BurstRule():
            return await evaluate_burst(rule, context)
        case RequestRule():
            return {"": await evaluate_requests(rule, context)}
        case LostEventsRule():
            return {"": await evaluate_lost_events(rule, context)}
        case SilenceRule():
            return {"": await evaluate_silence(rule, context)}
        case DriftRule():
            return await evaluate_drift(rule, context)


def evaluate_drop(rule: DropRule, context: EvaluationContext) -> Evaluation:
    """Compare a figure with the days before."""
    figure = find_figure(rule.figure)
    now = figure.compute(context.counts(rule.days))
    before = figure.compute(context.counts(rule.reference, before=rule.days))
    words = (
        f"{describe_figure(figure, now)} in the last {rule.days} whole days, {(before.value or 0) * 100:.1f} % of "
        f"{before.n:,} in the {rule.reference} days before."
    )
    if min(now.n, before.n) < rule.least or now.value is None or before.value is None:
        return Evaluation(None, words)
    _, high = difference_interval(now.value, wide_interval(now), before.value, wide_interval(before))
    return Evaluation(now.value - before.value <= -rule.by and high < 0, words)


def evaluate_bound(rule: BoundRule, context: EvaluationContext) -> Evaluation:
    """Compare a figure with its floor or ceiling."""
    figure = find_figure(rule.figure)
    result = figure.compute(context.counts(rule.days))
    words = (
        f"{describe_figure(figure, result)} in the last {rule.days} whole days; the bound is {rule.bound * 100:g} %."
    )
    if result.n < rule.least:
        return Evaluation(None, words)
    low, high = wide_interval(result)
    return Evaluation(high < rule.bound if rule.kind == "below" else low > rule.bound, words)


async def evaluate_burst(rule: BurstRule, context: EvaluationContext) -> Evaluations:
    """Look for tags dismissed many times within minutes, each an alert of its own."""
    since = context.now - timedelta(minutes=rule.minutes)
    tags = await count_dismissed_tags(context.session, since, context.now, rule.least)
    return {
        row.tag: Evaluation(
            True, f"{row.tag} was dismissed {row.n} times in {rule.minutes} minutes, by {row.installs} installs."
        )
        for row in tags
    }


async def evaluate_requests(rule: RequestRule, context: EvaluationContext) -> Evaluation:
    """Compare the share of requests that failed, or of suggestions that were slow, with the bound."""
    stats = await read_request_stats(context.session, context.now - timedelta(minutes=rule.minutes))
    part, whole, what = (
        (stats.failed, stats.requests, "requests failed")
        if rule.kind == "failing"
        else (stats.slow, stats.suggestions, "suggestions were slow")
    )
    words = f"{part:,} of {whole:,} {what} in the last {rule.minutes} minutes; the bound is {rule.bound * 100:g} %."
    # Once all traffic has stopped, the few requests left to count say neither that the service works nor that it fails.
    return Evaluation(None if whole < rule.least else part / whole > rule.bound, words)


async def evaluate_lost_events(rule: LostEventsRule, context: EvaluationContext) -> Evaluation:
    """Compare the share of events lost on their way with the bound."""
    filters = Filters(context.yesterday - timedelta(days=rule.days - 1), context.yesterday)
    bookkeeping = await count_bookkeeping(context.session, filters, context.now)
    sent = bookkeeping.received + bookkeeping.lost
    words = (
        f"{bookkeeping.lost:,} of {sent:,} events lost in the last {rule.days} whole days; "
        f"the bound is {rule.bound * 100:g} %."
    )
    return Evaluation(None if sent < rule.least else bookkeeping.lost / sent > rule.bound, words)


async def evaluate_silence(rule: SilenceRule, context: EvaluationContext) -> Evaluation:
    """Look for hours without drafts, where there usually are some."""
    span = timedelta(hours=rule.hours)
    ends = [context.now - timedelta(days=back) for back in range(1 + DAYS_COMPARED)]
    now, *before = await count_drafts_begun(context.session, [(end - span, end) for end in ends])
    usual = sum(before) / DAYS_COMPARED
    words = (
        f"{now} drafts begun in the last {rule.hours} hours, {usual:.0f} in the same hours "
        f"of the {DAYS_COMPARED} days before."
    )
    return Evaluation(None if usual < rule.least else now == 0, words)


async def evaluate_drift(rule: DriftRule, context: EvaluationContext) -> Evaluations:
    """Evaluate the newest findings of drift, each kind an alert of its own; old findings can't be judged by."""
    findings = await newest_findings(context.session, kind="ask")
    words = ""
    if findings is None:
        words = "No findings have been imported."
    elif is_old(findings, rule, context.yesterday):
        words = (
            f"The newest import ends on {findings.until}, more than {rule.days} whole days ago, and says nothing of "
            "today. Export, compare and import again."
        )
    elif findings.drafts < rule.least:
        words = f"The newest import, up to {findings.until}, has {findings.drafts:,} drafts, too few to judge by."
    if findings is None or words:
        return {kind: Evaluation(None, words) for kind in ("data", "concept", "model")}
    return {
        "data": evaluate_data_drift(rule, findings),
        "concept": evaluate_concept_drift(findings),
        "model": evaluate_model_drift(findings),
    }


def is_old(findings: Findings, rule: DriftRule, yesterday: date) -> bool:
    """Return whether findings ended so long ago that the rule can't be judged by them."""
    return findings.until < yesterday - timedelta(days=rule.days)


def evaluate_data_drift(rule: DriftRule, findings: Findings) -> Evaluation:
    """Look for columns further from the reference than the bound, and than chance explains."""
    far = [column for column in findings.columns if column.psi > max(rule.bound, column.psi_noise)]
    columns = ", ".join(f"{column.column} {column.psi:.2f}" for column in far) or "no column"
    words = f"PSI above {rule.bound:g}: {columns}; {findings.drafts:,} drafts of {findings.since} to {findings.until}."
    return Evaluation(bool(far), words)


def evaluate_concept_drift(findings: Findings) -> Evaluation:
    """Evaluate the relation between scores and posted tags."""
    relation = findings.relation
    words = (
        f"At equal scores, the share of right tags differs by {relation.shift * 100:.1f} points on average; chance "
        f"brings {relation.noise * 100:.1f}. {relation.n:,} tags of {findings.since} to {findings.until}."
    )
    return Evaluation(relation.drifted, words)


def evaluate_model_drift(findings: Findings) -> Evaluation:
    """Evaluate the performance on posted drafts."""
    performance = findings.performance
    unexplained = -(performance.by_model.value if performance.by_model else 0.0)
    words = (
        f"Jaccard {(performance.jaccard or 0) * 100:.1f} %, reference {performance.reference * 100:.1f} %; neither "
        f"other drafts nor another relation explain {unexplained * 100:.1f} points of it. {performance.n:,} posted "
        f"drafts of {findings.since} to {findings.until}."
    )
    return Evaluation(performance.drifted, words)


def wide_interval(result: Rate | Mean) -> tuple[float, float]:
    """Return the bounds of a figure that chance passes once in ten thousand times on either side."""
    low, high = result.interval or (0.0, 1.0)
    value = result.value or 0.0
    # The 95 % interval, stretched: exact for means of many drafts, close for shares that are not near 0 or 1.
    return max(0.0, value - (value - low) * STRETCH), min(1.0, value + (high - value) * STRETCH)


def describe_figure(figure: Figure, result: Rate | Mean) -> str:
    """Return a figure in words."""
    return f"{figure.title} {(result.value or 0) * 100:.1f} % of {result.n:,} {figure.unit}"
