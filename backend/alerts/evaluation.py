"""What each kind of rule reads, and when that breaks it."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from statistics import NormalDist

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import count_bookkeeping
from backend.acceptance.counts import count_dismissed_tags, count_drafts_begun, count_grid
from backend.acceptance.figures import Counts, Figure, Mean, Rate, add_counts
from backend.acceptance.filters import Filters
from backend.acceptance.intervals import difference_interval
from backend.alerts.rules import Bound, Burst, Drifting, Drop, Lost, Rule, Signal, Silent, figure_named
from backend.alerts.states import Reading
from backend.drift.findings import Findings
from backend.drift.service import newest as newest_drift
from backend.web.request_stats import read_request_stats

Readings = dict[str, Reading]
"""By subject; a rule that watches one thing has the subject ''."""

# From 95 % to the confidence of which one ten-thousandth is left out on either side: rules are judged every hour, and
# items of one draft, and drafts of one writer, are more alike than the intervals know.
STRETCH = NormalDist().inv_cdf(0.9999) / NormalDist().inv_cdf(0.975)

USUAL_DAYS = 7


@dataclass
class Look:
    """One look at the database, at one moment; days are counted once, however many rules ask for them."""

    session: AsyncSession
    now: datetime
    vocabulary: frozenset[str]
    by_day: dict[date, Counts] = field(default_factory=dict)

    @property
    def yesterday(self) -> date:
        """The last whole day, in UTC."""
        return self.now.date() - timedelta(days=1)

    async def prepare(self, days: int) -> None:
        """Count this many whole days at once."""
        filters = Filters(self.yesterday - timedelta(days=days - 1), self.yesterday)
        grid = await count_grid(self.session, filters, self.vocabulary, self.now)
        self.by_day = grid.by_day(filters)

    def counts(self, days: int, before: int = 0) -> Counts:
        """The counts of ``days`` whole days, the last of them ``before`` days before yesterday."""
        last = self.yesterday - timedelta(days=before)
        return add_counts(self.by_day.get(last - timedelta(days=back), Counts()) for back in range(days))


def days_needed(rule: Rule) -> int:
    """How many whole days a rule's figure looks at."""
    match rule:
        case Drop():
            return rule.days + rule.reference
        case Bound():
            return rule.days
    return 0


async def read(rule: Rule, look: Look) -> Readings:
    """What a rule reads now."""
    match rule:
        case Drop():
            return {"": drop(rule, look)}
        case Bound():
            return {"": bound(rule, look)}
        case Burst():
            return await burst(rule, look)
        case Signal():
            return {"": await signal(rule, look)}
        case Lost():
            return {"": await lost(rule, look)}
        case Silent():
            return {"": await silent(rule, look)}
        case Drifting():
            return await drifting(rule, look)


def drop(rule: Drop, look: Look) -> Reading:
    """A figure against the days before."""
    figure = figure_named(rule.figure)
    now = figure.compute(look.counts(rule.days))
    before = figure.compute(look.counts(rule.reference, before=rule.days))
    words = (
        f"{told(figure, now)} in the last {rule.days} whole days, {(before.value or 0) * 100:.1f} % of {before.n:,} "
        f"in the {rule.reference} days before."
    )
    if min(now.n, before.n) < rule.least or now.value is None or before.value is None:
        return Reading(None, words)
    _, high = difference_interval(now.value, surely(now), before.value, surely(before))
    return Reading(now.value - before.value <= -rule.by and high < 0, words)


def bound(rule: Bound, look: Look) -> Reading:
    """A figure against its floor or ceiling."""
    figure = figure_named(rule.figure)
    result = figure.compute(look.counts(rule.days))
    words = f"{told(figure, result)} in the last {rule.days} whole days; the bound is {rule.bound * 100:g} %."
    if result.n < rule.least:
        return Reading(None, words)
    low, high = surely(result)
    return Reading(high < rule.bound if rule.kind == "below" else low > rule.bound, words)


async def burst(rule: Burst, look: Look) -> Readings:
    """Tags dismissed many times within minutes, each an alert of its own."""
    since = look.now - timedelta(minutes=rule.minutes)
    found = await count_dismissed_tags(look.session, since, look.now, rule.least)
    return {
        row.tag: Reading(
            True, f"{row.tag} was dismissed {row.n} times in {rule.minutes} minutes, by {row.installs} installs."
        )
        for row in found
    }


async def signal(rule: Signal, look: Look) -> Reading:
    """Requests that failed, or suggestions that were slow."""
    stats = await read_request_stats(look.session, look.now - timedelta(minutes=rule.minutes))
    part, whole, what = (
        (stats.failed, stats.requests, "requests failed")
        if rule.kind == "failing"
        else (stats.slow, stats.suggestions, "suggestions were slow")
    )
    words = f"{part:,} of {whole:,} {what} in the last {rule.minutes} minutes; the bound is {rule.bound * 100:g} %."
    # Where all traffic has ended, what is left to count is a sign of neither health nor illness.
    return Reading(None if whole < rule.least else part / whole > rule.bound, words)


async def lost(rule: Lost, look: Look) -> Reading:
    """Events lost on their way."""
    filters = Filters(look.yesterday - timedelta(days=rule.days - 1), look.yesterday)
    books = await count_bookkeeping(look.session, filters, look.now)
    sent = books.received + books.lost
    words = (
        f"{books.lost:,} of {sent:,} events lost in the last {rule.days} whole days; "
        f"the bound is {rule.bound * 100:g} %."
    )
    return Reading(None if sent < rule.least else books.lost / sent > rule.bound, words)


async def silent(rule: Silent, look: Look) -> Reading:
    """No drafts, where there used to be some."""
    span = timedelta(hours=rule.hours)
    ends = [look.now - timedelta(days=back) for back in range(1 + USUAL_DAYS)]
    now, *before = await count_drafts_begun(look.session, [(end - span, end) for end in ends])
    usual = sum(before) / USUAL_DAYS
    words = (
        f"{now} drafts begun in the last {rule.hours} hours, {usual:.0f} in the same hours "
        f"of the {USUAL_DAYS} days before."
    )
    return Reading(None if usual < rule.least else now == 0, words)


async def drifting(rule: Drifting, look: Look) -> Readings:
    """What the newest import found of drift, each kind an alert of its own; one that is too old says nothing."""
    found = await newest_drift(look.session, kind="ask")
    words = ""
    if found is None:
        words = "No findings have been imported."
    elif is_old(found, rule, look.yesterday):
        words = (
            f"The newest import ends on {found.until}, more than {rule.days} whole days ago, and says nothing of "
            "today. Export, compare and import again."
        )
    elif found.drafts < rule.least:
        words = f"The newest import, up to {found.until}, has {found.drafts:,} drafts, too few to judge by."
    if found is None or words:
        return {kind: Reading(None, words) for kind in ("data", "concept", "model")}
    return {"data": data_drift(rule, found), "concept": concept_drift(found), "model": model_drift(found)}


def is_old(found: Findings, rule: Drifting, yesterday: date) -> bool:
    """Whether findings end so long ago that the rule judges nothing by them."""
    return found.until < yesterday - timedelta(days=rule.days)


def data_drift(rule: Drifting, found: Findings) -> Reading:
    """Columns that are further from the reference than the bound, and than chance would bring them."""
    far = [each for each in found.columns if each.psi > max(rule.bound, each.psi_noise)]
    told = ", ".join(f"{each.column} {each.psi:.2f}" for each in far) or "no column"
    words = f"PSI above {rule.bound:g}: {told}; {found.drafts:,} drafts of {found.since} to {found.until}."
    return Reading(bool(far), words)


def concept_drift(found: Findings) -> Reading:
    """The relation between scores and posted tags."""
    relation = found.relation
    words = (
        f"At equal scores, the share of right tags differs by {relation.shift * 100:.1f} points on average; chance "
        f"brings {relation.noise * 100:.1f}. {relation.n:,} tags of {found.since} to {found.until}."
    )
    return Reading(relation.drifted, words)


def model_drift(found: Findings) -> Reading:
    """Performance on posted drafts."""
    performance = found.performance
    lost = -(performance.by_model.value if performance.by_model else 0.0)
    words = (
        f"Jaccard {(performance.jaccard or 0) * 100:.1f} %, reference {performance.reference * 100:.1f} %; neither "
        f"other drafts nor another relation explain {lost * 100:.1f} points of it. {performance.n:,} posted drafts of "
        f"{found.since} to {found.until}."
    )
    return Reading(performance.drifted, words)


def surely(result: Rate | Mean) -> tuple[float, float]:
    """The bounds of a figure that chance passes once in ten thousand times on either side."""
    low, high = result.interval or (0.0, 1.0)
    value = result.value or 0.0
    # The interval at 95 %, stretched: exact for means of many drafts, close for shares that are not near 0 or 1.
    return max(0.0, value - (value - low) * STRETCH), min(1.0, value + (high - value) * STRETCH)


def told(figure: Figure, result: Rate | Mean) -> str:
    """A figure in words."""
    return f"{figure.title} {(result.value or 0) * 100:.1f} % of {result.n:,} {figure.unit}"
