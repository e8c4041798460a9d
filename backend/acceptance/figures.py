"""The figures: counts that add up, and the rates and means computed from them.

This is the only place that says which count is divided by which. Page, JSON and CSV all read ``FIGURES``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

from backend.acceptance.intervals import difference_interval, mean_interval, wilson_interval

MIN_SAMPLE = 30
"""A figure of fewer items or drafts says little, and is shown in grey."""


# Not frozen: a page of all tags makes thousands of them, and frozen ones take four times as long.
@dataclass(slots=True)
class Counts:
    """The counts in one row of a breakdown.

    Attributes:
        viewed: viewed items, by their first view.
        accepted: of them, ever accepted.
        dismissed: of them, dismissed as the last word and never accepted.
        open_items: of them, first viewed less than 30 minutes ago.
        score_sum: their scores added up.
        posted_viewed: viewed items of posted drafts, by the moment of posting.
        kept: of them, accepted and among the posted tags.
        agreed: of them, among the posted tags, clicked or typed.
        viewed_drafts: drafts with a viewed item, by their first view.
        helped_drafts: of them, with an accepted item.
        open_viewed_drafts: of them, first viewed less than 30 minutes ago.
        answered: drafts with an answer, by their start.
        covered: of them, with an offered tag.
        open_answered: of them, not posted and less than 24 hours old.
        open_drafts: answered drafts, not posted and less than 24 hours old, that may still be posted.
        posted: posted drafts with an answer, by the moment of posting.
        offered_tags: tags offered in them, once a draft.
        posted_tags: tags posted in them.
        matched_tags: tags both offered and posted.
        missed_tags: tags posted and not offered.
        unknown_tags: of the missed, those outside the model's vocabulary.
        judged_tags: missed tags that could be looked up in a vocabulary; 0 if none is loaded.
        precision_n, recall_n, union_n: drafts that offered, that posted, that did either.
        precision_sum, …, jaccard_squares: sums and sums of squares of each draft's value.
        exact, one_found, all_found: drafts whose offered tags are the posted ones; hold one of them; hold
            all of them.
    """

    viewed: int = 0
    accepted: int = 0
    dismissed: int = 0
    open_items: int = 0
    score_sum: float = 0.0
    posted_viewed: int = 0
    kept: int = 0
    agreed: int = 0
    viewed_drafts: int = 0
    helped_drafts: int = 0
    open_viewed_drafts: int = 0
    answered: int = 0
    covered: int = 0
    open_answered: int = 0
    open_drafts: int = 0
    posted: int = 0
    offered_tags: int = 0
    posted_tags: int = 0
    matched_tags: int = 0
    missed_tags: int = 0
    unknown_tags: int = 0
    judged_tags: int = 0
    precision_n: int = 0
    precision_sum: float = 0.0
    precision_squares: float = 0.0
    recall_n: int = 0
    recall_sum: float = 0.0
    recall_squares: float = 0.0
    union_n: int = 0
    f1_sum: float = 0.0
    f1_squares: float = 0.0
    jaccard_sum: float = 0.0
    jaccard_squares: float = 0.0
    exact: int = 0
    one_found: int = 0
    all_found: int = 0


_values = attrgetter(*(field.name for field in fields(Counts)))


def add_counts(rows: Iterable[Counts]) -> Counts:
    """Add up the counts of disjoint items and drafts, field by field; no rows give zeros."""
    return Counts(*map(sum, zip(*map(_values, rows), strict=True)))


@dataclass(frozen=True, slots=True)
class Rate:
    """A share, ``numerator`` of ``denominator``, with Wilson's interval.

    Attributes:
        open: how many of the things counted may still change; None where that has no meaning.
    """

    numerator: int
    denominator: int
    open: int | None = None

    @property
    def n(self) -> int:
        """The number of things the rate is about."""
        return self.denominator

    @property
    def value(self) -> float | None:
        """The share, 0..1; None (n/a) if nothing was counted."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds at 95 %."""
        return wilson_interval(self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a value over drafts, all of the same weight, with Student's interval.

    Attributes:
        n: number of drafts that have the value.
        sum, squares: sums of the drafts' values and of their squares.
        numerator, denominator: the same figure over all drafts' tags taken together, where a draft with
            many tags weighs more. For a single draft it is the fraction itself.
        open: drafts that may still be posted; None where that has no meaning.
    """

    n: int
    sum: float
    squares: float
    numerator: int
    denominator: int
    open: int | None = None

    @property
    def value(self) -> float | None:
        """The mean, 0..1; None (n/a) without drafts."""
        return self.sum / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds at 95 %."""
        return mean_interval(self.n, self.sum, self.squares)


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between a figure and that of another period: ``value`` in -1..1, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def compute_change(now: Rate | Mean, before: Rate | Mean) -> Change | None:
    """Return the change from one period to another; None where nothing was counted in either."""
    if now.value is None or before.value is None or now.interval is None or before.interval is None:
        return None
    low, high = difference_interval(now.value, now.interval, before.value, before.interval)
    return Change(now.value - before.value, low, high)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure of acceptance.

    Attributes:
        name: in JSON and CSV.
        title: on the page.
        unit: what its n counts, in the plural.
        open_unit: what may still change it: items or drafts.
        description: one or two sentences on how it is counted.
        compute: computes the figure from counts.
    """

    name: str
    title: str
    unit: str
    open_unit: str
    description: str
    compute: Callable[[Counts], Rate | Mean]


ACCEPTANCE = Figure(
    "acceptance",
    "Acceptance",
    "items",
    "items",
    "Chips clicked, and taken by the page, of chips seen. Counts on the day of the first view; open for 30 minutes.",
    lambda counts: Rate(counts.accepted, counts.viewed, counts.open_items),
)
KEPT = Figure(
    "kept",
    "Kept",
    "items",
    "drafts",
    "Chips clicked that were among the tags posted, of chips seen in posted drafts. Counts on the day of "
    "posting; drafts are open for 24 hours.",
    lambda counts: Rate(counts.kept, counts.posted_viewed, counts.open_drafts),
)
AGREEMENT = Figure(
    "agreement",
    "Agreement",
    "items",
    "drafts",
    "Chips whose tag was posted, clicked or typed by hand, of chips seen in posted drafts. Day of posting.",
    lambda counts: Rate(counts.agreed, counts.posted_viewed, counts.open_drafts),
)
DISMISSAL = Figure(
    "dismissal",
    "Dismissal",
    "items",
    "items",
    "Chips that the writer dismissed for good, of chips seen. Ignoring a chip is no dismissal. Day of the first view.",
    lambda counts: Rate(counts.dismissed, counts.viewed, counts.open_items),
)
HELP = Figure(
    "help",
    "Help",
    "drafts",
    "drafts",
    "Drafts in which a chip was accepted, of drafts in which one was seen. Day of the draft's first view.",
    lambda counts: Rate(counts.helped_drafts, counts.viewed_drafts, counts.open_viewed_drafts),
)
COVERAGE = Figure(
    "coverage",
    "Coverage",
    "drafts",
    "drafts",
    "Drafts that were offered a tag, of drafts that got an answer. Day of the draft's start.",
    lambda counts: Rate(counts.covered, counts.answered, counts.open_answered),
)
PRECISION = Figure(
    "precision",
    "Precision",
    "drafts",
    "drafts",
    "Tags offered that were posted, of tags offered: the mean over posted drafts that were offered any.",
    lambda counts: Mean(
        counts.precision_n,
        counts.precision_sum,
        counts.precision_squares,
        counts.matched_tags,
        counts.offered_tags,
        counts.open_drafts,
    ),
)
RECALL = Figure(
    "recall",
    "Recall",
    "drafts",
    "drafts",
    "Tags posted that were offered, of tags posted: the mean over posted drafts.",
    lambda counts: Mean(
        counts.recall_n,
        counts.recall_sum,
        counts.recall_squares,
        counts.matched_tags,
        counts.posted_tags,
        counts.open_drafts,
    ),
)
F1 = Figure(
    "f1",
    "F1",
    "drafts",
    "drafts",
    "Twice the tags both offered and posted, of tags offered plus tags posted: the mean over posted drafts.",
    lambda counts: Mean(
        counts.union_n,
        counts.f1_sum,
        counts.f1_squares,
        2 * counts.matched_tags,
        counts.offered_tags + counts.posted_tags,
        counts.open_drafts,
    ),
)
JACCARD = Figure(
    "jaccard",
    "Jaccard",
    "drafts",
    "drafts",
    "Tags both offered and posted, of tags offered or posted: the mean over posted drafts.",
    lambda counts: Mean(
        counts.union_n,
        counts.jaccard_sum,
        counts.jaccard_squares,
        counts.matched_tags,
        counts.offered_tags + counts.posted_tags - counts.matched_tags,
        counts.open_drafts,
    ),
)
EXACT = Figure(
    "exact",
    "Exact match",
    "drafts",
    "drafts",
    "Posted drafts whose offered tags are the posted ones, no more and no less.",
    lambda counts: Rate(counts.exact, counts.union_n, counts.open_drafts),
)
ONE_FOUND = Figure(
    "one_found",
    "One found",
    "drafts",
    "drafts",
    "Posted drafts that were offered at least one of their tags.",
    lambda counts: Rate(counts.one_found, counts.recall_n, counts.open_drafts),
)
ALL_FOUND = Figure(
    "all_found",
    "All found",
    "drafts",
    "drafts",
    "Posted drafts that were offered all of their tags.",
    lambda counts: Rate(counts.all_found, counts.recall_n, counts.open_drafts),
)
MISSED = Figure(
    "missed",
    "Missed",
    "tags",
    "drafts",
    "Tags posted that were not offered, of tags posted in drafts that got an answer.",
    lambda counts: Rate(counts.missed_tags, counts.posted_tags, counts.open_drafts),
)
UNKNOWN = Figure(
    "unknown",
    "Unknown",
    "tags",
    "drafts",
    "Missed tags that are not in the vocabulary of the model loaded now, of missed tags.",
    lambda counts: Rate(counts.unknown_tags, counts.judged_tags, counts.open_drafts),
)

HEADLINES = (ACCEPTANCE, KEPT, AGREEMENT, DISMISSAL, HELP, COVERAGE, MISSED, UNKNOWN)
QUALITY = (PRECISION, RECALL, F1, JACCARD, EXACT, ONE_FOUND, ALL_FOUND)
FIGURES = HEADLINES + QUALITY
"""Every figure, in the order it is shown."""

ITEM_FIGURES = (ACCEPTANCE, KEPT, AGREEMENT, DISMISSAL)
"""The figures that are defined for single items, and so for a tag or a position."""
