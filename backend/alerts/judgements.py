"""When a rule is broken: pure functions of counts, which the service counts in SQL and `tools.alert_rates` simulates.

What a writer does once tells what they do next, and writers who write a lot come and go. So the functions count writers
(installs), or cap what one of them weighs, and how rarely chance alone may break a rule was chosen by the simulation:
in a month without a change, at most once in a hundred months, each rule by itself.
"""

import math
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from backend.acceptance.figures import Figure
from backend.acceptance.intervals import student_quantile
from backend.acceptance.queries.runs import Outcome
from backend.alerts.rules import (
    BoundRule,
    BurstRule,
    DropRule,
    LostEventsRule,
    RequestRule,
    ResourceRule,
    SilenceRule,
    TargetRule,
    ZeroRule,
)
from backend.alerts.states import Evaluation

MAX_WEIGHT = 10
"""An install weighs as much as the things counted of it, but no more than so many: the next ones tell little new."""

MIN_WRITERS = 15.0
"""Below so many equally heavy installs the variance between them is not known well enough to judge."""

DAILY_CHANCE = 1e-4
"""How rarely chance alone may break a rule about days, at one look at one span."""

RUN_CHANCE = 1e-7
"""How rarely chance alone may break a rule that looks at every minute anew."""

ZERO_CHANCE = 1e-8
"""How rarely chance alone may break a rule that looks at every draft anew, of which there are many more."""

LOSS_CHANCE = 1e-10
"""How rarely chance may lose so many of few events: some are lost together, and then chance is not what it seems."""

MANY_EVENTS = 1000
"""Of so many events the share lost is compared with the bound as it is."""

PEAK = 3.0
"""At the busiest hour of the week, so many times as much is done as in an average one."""

MAX_DRAFTS = 2
"""One writer who says no to everything is no burst: so many drafts of an install count at most."""

MINUTES_OF_DAY = 24 * 60

MANY = 200
"""A run of so many writers is as long as one can get: what is not unusual then can't be judged."""

MIN_DRAFT_DAYS = 30
"""What is usual is known from so many installs' days."""


@dataclass(frozen=True, slots=True)
class CappedSums:
    """What a figure counts in a span of time, summed over installs, each with its weight (see `MAX_WEIGHT`).

    Attributes:
        installs: those of whom anything was counted.
        n, hits: all that was counted, as the page shows it; of means, drafts and the sum of their values.
        weight: the sum of the weights w.
        hit_weight: the sum of w·p, where p is an install's own rate.
        squares, products, hit_squares: the sums of w², w²·p and w²·p².
    """

    installs: int = 0
    n: int = 0
    hits: float = 0.0
    weight: float = 0.0
    hit_weight: float = 0.0
    squares: float = 0.0
    products: float = 0.0
    hit_squares: float = 0.0

    @property
    def rate(self) -> float:
        """The weighted rate; 0 where nothing was counted."""
        return self.hit_weight / self.weight if self.weight else 0.0

    @property
    def writers(self) -> float:
        """How many equally heavy installs would say as much."""
        return self.weight**2 / self.squares if self.squares else 0.0

    def variance(self, rate: float) -> float:
        """Return the variance of the weighted rate, were ``rate`` the true one."""
        spread = self.hit_squares - 2 * rate * self.products + rate**2 * self.squares
        return max(0.0, spread) / self.weight**2

    def is_enough(self, least: int) -> bool:
        """Return whether there is enough to judge by."""
        return self.n >= least and self.writers >= MIN_WRITERS


def sum_capped(n: NDArray[Any], hits: NDArray[Any]) -> CappedSums:
    """Return the sums over installs, from what was counted of each; the service sums in SQL."""
    counted = n > 0
    n, hits = n[counted].astype(float), hits[counted].astype(float)
    weight = np.minimum(n, MAX_WEIGHT)
    own = hits / n
    squares = weight**2
    return CappedSums(
        len(n),
        int(n.sum()),
        float(hits.sum()),
        float(weight.sum()),
        float(weight @ own),
        float(squares.sum()),
        float(squares @ own),
        float(squares @ own**2),
    )


def nested_spans(days: int) -> tuple[int, ...]:
    """Return the spans that a rule about so many days looks at, longest first: a large fall is seen in a short one."""
    spans = [days]
    while spans[-1] > 1:
        spans.append(spans[-1] // 2)
    return tuple(spans)


def judge_drop(rule: DropRule, figure: Figure, spans: Mapping[int, CappedSums], before: CappedSums) -> Evaluation:
    """Compare a figure with the days before, over each span of `nested_spans`: the clearest fall counts."""
    enough = {days: sums for days, sums in spans.items() if sums.is_enough(rule.least)}
    if not enough or not before.is_enough(rule.least):
        days, sums = next(iter((enough or spans).items()))
        return Evaluation(None, f"{describe_fall(rule, figure, days, sums, before)} {too_few(rule.least)}")
    chances = {}
    for days, sums in enough.items():
        together = (sums.hit_weight + before.hit_weight) / (sums.weight + before.weight)
        error = math.sqrt(sums.variance(together) + before.variance(together))
        fall = before.rate - sums.rate
        limit = student_quantile(int(min(sums.writers, before.writers)) - 1, 1 - DAILY_CHANCE)
        chances[days] = fall / error / limit if error and fall >= rule.by else 0.0
    days = max(chances, key=chances.__getitem__)
    return Evaluation(chances[days] > 1, describe_fall(rule, figure, days, enough[days], before))


def judge_bound(rule: BoundRule, figure: Figure, spans: Mapping[int, CappedSums]) -> Evaluation:
    """Compare a figure with its floor or ceiling, over each span of `nested_spans`."""
    words = f"the bound is {rule.bound * 100:g} %"
    return compare(figure, spans, rule.bound, words, above=rule.kind == "above", least=rule.least)


def judge_target(rule: TargetRule, figure: Figure, days: int, sums: CappedSums) -> Evaluation:
    """Look whether a figure surely misses its target in these whole days."""
    words = f"the target is {rule.goal.replace('_', ' ')} {rule.target * 100:g} %"
    return compare(figure, {days: sums}, rule.target, words, above=rule.goal == "at_most", least=rule.least)


def compare(
    figure: Figure, spans: Mapping[int, CappedSums], bound: float, words: str, *, above: bool, least: int
) -> Evaluation:
    """Look whether a figure is surely ``above`` a bound, or below it, in one of the spans; ``words`` name it."""
    enough = {days: sums for days, sums in spans.items() if sums.is_enough(least)}
    if not enough:
        days, sums = next(iter(spans.items()))
        return Evaluation(None, f"{describe_figure(figure, days, sums)}; {words}. {too_few(least)}")
    chances = {}
    for days, sums in enough.items():
        limit = student_quantile(int(sums.writers) - 1, 1 - DAILY_CHANCE)
        error = math.sqrt(sums.variance(bound))
        distance = sums.rate - bound if above else bound - sums.rate
        chances[days] = distance / error / limit if error else 0.0
    days = max(chances, key=chances.__getitem__)
    return Evaluation(chances[days] > 1, f"{describe_figure(figure, days, enough[days])}; {words}.")


def judge_resource(rule: ResourceRule, used: int, total: int) -> Evaluation:
    """Compare what is used of a disk, or of the machine's memory, in bytes, with the bound."""
    what = "disk with the data" if rule.kind == "disk" else "machine's memory"
    words = (
        f"{used / total * 100:.0f} % of the {what} are used, {(total - used) / (1 << 30):.1f} of "
        f"{total / (1 << 30):.1f} GiB are free; the bound is {rule.bound * 100:g} %."
    )
    return Evaluation(used / total > rule.bound, words)


@dataclass(frozen=True, slots=True)
class Run:
    """The drafts since something last happened in one.

    Attributes:
        installs: those that have begun such a draft since, each counted once.
        hours: how long ago that was.
        draft_days: days of installs, in the weeks before, from which it is known what is usual.
        missing: the share of drafts in which it did not happen, summed over these days of installs.
    """

    installs: int
    hours: float
    draft_days: int
    missing: float

    @property
    def usual(self) -> float:
        """How likely it is not to happen in a draft, a little pessimistic where little is known."""
        return min(1.0, (self.missing + 1) / (self.draft_days + 1)) if self.draft_days else 1.0

    @property
    def chance(self) -> float:
        """The chance of such a run, were all as usual."""
        return float(self.usual**self.installs)


def judge_zero(rule: ZeroRule, outcome: Outcome, run: Run) -> Evaluation:
    """Look whether an outcome is missing in all drafts of late, where it used to be."""
    if run.draft_days < MIN_DRAFT_DAYS:
        return Evaluation(
            None,
            f"Only {run.draft_days:,} days of writers are known of the week before; it takes {MIN_DRAFT_DAYS} to say "
            "what is usual.",
        )
    what = {"accepted": "No chip was accepted", "viewed": "No chip was seen", "offered": "No tag was offered"}
    words = (
        f"{what[outcome]} in drafts of the last {run.installs:,} writers, for {run.hours:.1f} hours; usually in "
        f"{run.usual * 100:.0f} of 100 drafts."
    )
    if run.usual**MANY > ZERO_CHANCE:
        return Evaluation(None, f"{words} That is too usual to judge by.")
    return Evaluation(run.installs >= rule.least and run.chance < ZERO_CHANCE, words)


@dataclass(frozen=True, slots=True)
class Silence:
    """The last hours without a draft; ``installs``: those that began one in the same hours of each week before."""

    hours: int
    installs: Sequence[int]


def judge_silence(rule: SilenceRule, silent: float | None, spans: Sequence[Silence]) -> Evaluation:
    """Look whether no draft was begun, where in the same hours of the same weekday there used to be some.

    Were there S writers in w weeks, chance leaves a span empty with (w / (w + 1))^S: Poisson's with its rate unknown.

    Args:
        rule: the rule.
        silent: hours since the last draft; None if there never was one.
        spans: those of the rule that are not longer, the shortest first.
    """
    if silent is None:
        return Evaluation(None, "No draft was ever begun.")
    words = f"The last draft was begun {silent:.1f} hours ago."
    if silent < rule.hours:
        return Evaluation(False, words)
    known = [span for span in spans if sum(span.installs) >= rule.least]
    if not known:
        return Evaluation(None, f"{words} Too few writers begin one at this hour of this weekday to judge by.")
    for span in known:
        weeks, writers = len(span.installs), sum(span.installs)
        if min(span.installs) > 0 and (weeks / (weeks + 1)) ** writers < RUN_CHANCE:
            usual = f"in the same {span.hours} hours of this weekday {writers / weeks:.0f} writers usually begin one"
            return Evaluation(True, f"{words} {usual.capitalize()}.")
    return Evaluation(False, words)


@dataclass(frozen=True, slots=True)
class Dismissal:
    """A chip that a writer said no to and did not take back, by the writer's own time, in seconds."""

    at: float
    draft: Hashable
    install: Hashable


def judge_burst(
    rule: BurstRule, subject: str, dismissals: Sequence[Dismissal], drafts_before: int, days_before: float
) -> Evaluation:
    """Look whether chips are dismissed in more drafts at once than chance brings.

    Args:
        rule: the rule.
        subject: the tag, or empty if all are taken together.
        dismissals: of late, in the order of time; the rule's minutes with the most drafts count.
        drafts_before: in which chips were dismissed, in the days before.
        days_before: how many these were.
    """
    usual = (drafts_before + 1) / max(1.0, days_before * MINUTES_OF_DAY / rule.minutes)
    worst: Sequence[Dismissal] = ()
    drafts, first = 0, 0
    for last, dismissal in enumerate(dismissals):
        while dismissal.at - dismissals[first].at > rule.minutes * 60:
            first += 1
        if last + 1 - first >= rule.least:
            window = dismissals[first : last + 1]
            if (count := count_drafts(window)) > drafts or not worst:
                worst, drafts = window, count
    if not worst:
        return Evaluation(False, f"No {rule.least} chips were dismissed within {rule.minutes} minutes.")
    what = f"{subject} was dismissed {len(worst)} times" if subject else f"{len(worst)} chips were dismissed"
    words = (
        f"{what} in {rule.minutes} minutes, by {len({dismissal.install for dismissal in worst})} installs in "
        f"{len({dismissal.draft for dismissal in worst})} drafts; usually there is one such draft in "
        f"{describe_span(rule.minutes / usual)}."
    )
    return Evaluation(poisson_tail(drafts, usual * PEAK) < RUN_CHANCE, words)


def describe_span(minutes: float) -> str:
    """Return a span of time in words: ``40 minutes``, ``7 days``."""
    for unit, size in (("days", MINUTES_OF_DAY), ("hours", 60)):
        if minutes >= 2 * size:
            return f"{minutes / size:.0f} {unit}"
    return f"{minutes:.0f} minutes"


def count_drafts(dismissals: Sequence[Dismissal]) -> int:
    """Count the drafts of dismissals, no more than `MAX_DRAFTS` of one install."""
    drafts = Counter(install for install, _ in {(dismissal.install, dismissal.draft) for dismissal in dismissals})
    return sum(min(count, MAX_DRAFTS) for count in drafts.values())


def judge_requests(rule: RequestRule, part: int, whole: int) -> Evaluation:
    """Compare the share of requests that failed, or of suggestions that were slow, with the bound."""
    what = "requests failed" if rule.kind == "failing" else "suggestions were slow"
    words = f"{part:,} of {whole:,} {what} in the last {rule.minutes} minutes; the bound is {rule.bound * 100:g} %."
    # Once all traffic has stopped, the few requests left to count say neither that the service works nor that it fails.
    if whole < rule.least:
        return Evaluation(None, f"{words} It takes {rule.least:,} to judge.")
    return Evaluation(binomial_tail(part, whole, rule.bound) < RUN_CHANCE, words)


def judge_lost_events(rule: LostEventsRule, lost: int, received: int) -> Evaluation:
    """Compare the share of events lost on their way with the bound."""
    sent = lost + received
    days = f"in the last {rule.days} whole days"
    words = f"{lost:,} of {sent:,} events were lost {days}; the bound is {rule.bound * 100:g} %."
    if sent < rule.least:
        return Evaluation(None, f"{words} It takes {rule.least:,} to judge.")
    limit = 1.0 if sent >= MANY_EVENTS else LOSS_CHANCE
    return Evaluation(binomial_tail(lost, sent, rule.bound) < limit, words)


def binomial_tail(k: int, n: int, share: float) -> float:
    """Return a bound of the chance of at least ``k`` hits in ``n``, each with the chance ``share``.

    Source: H. Chernoff, "A measure of asymptotic efficiency for tests of a hypothesis based on the sum of
    observations", Annals of Mathematical Statistics 23 (1952), 493-507.
    """
    if k <= n * share:
        return 1.0
    misses = (n - k) * math.log((n - k) / n / (1 - share)) if k < n else 0.0
    return math.exp(-k * math.log(k / n / share) - misses)


def poisson_tail(k: int, mean: float) -> float:
    """Return Chernoff's bound of the chance of at least ``k`` events where ``mean`` are expected, more than 0."""
    return 1.0 if k <= mean else math.exp(k - mean - k * math.log(k / mean))


def describe_figure(figure: Figure, days: int, sums: CappedSums) -> str:
    """Return a figure in words: ``Acceptance 28.0 % of 1,234 items of 210 writers in the last 4 whole days``."""
    span = "day" if days == 1 else f"{days} whole days"
    share = sums.hits / sums.n * 100 if sums.n else 0.0
    return f"{figure.title} {share:.1f} % of {sums.n:,} {figure.unit} of {sums.installs:,} writers in the last {span}"


def describe_fall(rule: DropRule, figure: Figure, days: int, sums: CappedSums, before: CappedSums) -> str:
    """Return a figure in words, and what it was before."""
    share = before.hits / before.n * 100 if before.n else 0.0
    return f"{describe_figure(figure, days, sums)}, {share:.1f} % of {before.n:,} in the {rule.reference} days before."


def too_few(least: int) -> str:
    """Return what it takes to judge, in words."""
    return f"It takes {least:,} of at least {MIN_WRITERS:.0f} equally busy writers to judge."
