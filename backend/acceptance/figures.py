"""The figures: the rates and means computed from counts, and how sure they are.

This is the only place that says which count is divided by which. Page, JSON and CSV all read ``FIGURES``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from backend.acceptance.clusters import WriterSums, clustered_change, clustered_interval
from backend.acceptance.intervals import Bounds
from backend.acceptance.tally import Counts as Counts
from backend.acceptance.tally import add_counts as add_counts
from backend.acceptance.writers import FigureWriters

MIN_SAMPLE = 30
"""A figure of fewer items or drafts says little, and is shown in grey, as is one of too few writers."""


@dataclass(frozen=True, slots=True)
class Uncertain:
    """What a rate and a mean have in common: how sure they are, by what each writer did.

    Attributes:
        by_writer: what each writer did; None where that is not known.
    """

    by_writer: FigureWriters | None = field(default=None, repr=False, compare=False, kw_only=True)

    @property
    def _sums(self) -> WriterSums | None:
        return None if self.by_writer is None else self.by_writer.sums

    @property
    def interval(self) -> Bounds | None:
        """Bounds at 95 %, clustered by install; None where nothing was counted or too few writers are behind it."""
        return None if self._sums is None else clustered_interval(self._sums)

    @property
    def writers(self) -> int | None:
        """The number of writers (installs) behind the figure; None where that is not known."""
        return None if self._sums is None else self._sums.writers

    @property
    def has_few_writers(self) -> bool:
        """Whether too few writers are behind it to go by."""
        return self._sums is not None and self.interval is None

    @property
    def remark(self) -> str | None:
        """Why there is no interval, or what it takes for granted; None where there is nothing to say."""
        if self._sums is None:
            return "not counted by writer"
        if not self._sums.n:
            return "nothing counted"
        if self.interval is None:
            return "too few writers"
        return "takes months as independent" if self._sums.months else None


@dataclass(frozen=True, slots=True)
class Rate(Uncertain):
    """A share, ``numerator`` of ``denominator``.

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
        """The share, 0..1; None (n/a) where nothing was counted."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Mean(Uncertain):
    """The mean of a value over drafts, all of the same weight.

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


@dataclass(frozen=True, slots=True)
class Change:
    """The difference between a figure and that of another period: ``value`` in -1..1, with its 97 % interval."""

    value: float
    low: float
    high: float

    @property
    def significant(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0


def is_small(figure: Rate | Mean) -> bool:
    """Return whether a figure rests on too few things, or on too few writers, to go by."""
    return figure.n < MIN_SAMPLE or figure.has_few_writers


def compute_change(now: Rate | Mean, before: Rate | Mean) -> Change | None:
    """Return the change from one period to another; None where either has too few writers, or nothing was counted.

    Writers who wrote in both periods are told apart from those who come and go: their shares tend to stay.
    """
    if now.value is None or before.value is None or now.by_writer is None or before.by_writer is None:
        return None
    pairs = now.by_writer.pair_with(before.by_writer)
    bounds = clustered_change(now.by_writer.sums, before.by_writer.sums, pairs)
    return None if bounds is None else Change(now.value - before.value, *bounds)


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


def _rate(hits: str, trials: str, count: Callable[[Counts], tuple[int, int, int]]) -> Callable[[Counts], Rate]:
    """Return what computes a rate and knows its writers: by the names of two counts, and by these and what is open."""
    return lambda counts: Rate(*count(counts), by_writer=counts.by_writer(hits, trials))


def _mean(
    total: str, n: str, count: Callable[[Counts], tuple[int, float, float, int, int]]
) -> Callable[[Counts], Mean]:
    """Return what computes a mean over drafts and knows its writers, as `_rate` does for rates."""

    def compute(counts: Counts) -> Mean:
        numbers = count(counts)
        by_writer = counts.by_writer(total, n, squares=numbers[2])
        return Mean(*numbers, counts.open_drafts, by_writer=by_writer)

    return compute


ACCEPTANCE = Figure(
    "acceptance",
    "Acceptance",
    "items",
    "items",
    "Chips clicked, and taken by the page, of chips seen. Counts on the day of the first view; open for 30 minutes.",
    _rate("accepted", "viewed", lambda counts: (counts.accepted, counts.viewed, counts.open_items)),
)
KEPT = Figure(
    "kept",
    "Kept",
    "items",
    "drafts",
    "Chips clicked that were among the tags posted, of chips seen in posted drafts. Counts on the day of "
    "posting; drafts are open for 24 hours.",
    _rate("kept", "posted_viewed", lambda counts: (counts.kept, counts.posted_viewed, counts.open_drafts)),
)
AGREEMENT = Figure(
    "agreement",
    "Agreement",
    "items",
    "drafts",
    "Chips whose tag was posted, clicked or typed by hand, of chips seen in posted drafts. Day of posting.",
    _rate("agreed", "posted_viewed", lambda counts: (counts.agreed, counts.posted_viewed, counts.open_drafts)),
)
DISMISSAL = Figure(
    "dismissal",
    "Dismissal",
    "items",
    "items",
    "Chips that the writer dismissed for good, of chips seen. Ignoring a chip is no dismissal. Day of the first view.",
    _rate("dismissed", "viewed", lambda counts: (counts.dismissed, counts.viewed, counts.open_items)),
)
HELP = Figure(
    "help",
    "Help",
    "drafts",
    "drafts",
    "Drafts in which a chip was accepted, of drafts in which one was seen. Day of the draft's first view.",
    _rate(
        "helped_drafts",
        "viewed_drafts",
        lambda counts: (counts.helped_drafts, counts.viewed_drafts, counts.open_viewed_drafts),
    ),
)
COVERAGE = Figure(
    "coverage",
    "Coverage",
    "drafts",
    "drafts",
    "Drafts that were offered a tag, of drafts that got an answer. Day of the draft's start.",
    _rate("covered", "answered", lambda counts: (counts.covered, counts.answered, counts.open_answered)),
)
PRECISION = Figure(
    "precision",
    "Precision",
    "drafts",
    "drafts",
    "Tags offered that were posted, of tags offered: the mean over posted drafts that were offered any.",
    _mean(
        "precision_sum",
        "precision_n",
        lambda counts: (
            counts.precision_n,
            counts.precision_sum,
            counts.precision_squares,
            counts.matched_tags,
            counts.offered_tags,
        ),
    ),
)
RECALL = Figure(
    "recall",
    "Recall",
    "drafts",
    "drafts",
    "Tags posted that were offered, of tags posted: the mean over posted drafts.",
    _mean(
        "recall_sum",
        "recall_n",
        lambda counts: (
            counts.recall_n,
            counts.recall_sum,
            counts.recall_squares,
            counts.matched_tags,
            counts.posted_tags,
        ),
    ),
)
F1 = Figure(
    "f1",
    "F1",
    "drafts",
    "drafts",
    "Twice the tags both offered and posted, of tags offered plus tags posted: the mean over posted drafts.",
    _mean(
        "f1_sum",
        "union_n",
        lambda counts: (
            counts.union_n,
            counts.f1_sum,
            counts.f1_squares,
            2 * counts.matched_tags,
            counts.offered_tags + counts.posted_tags,
        ),
    ),
)
JACCARD = Figure(
    "jaccard",
    "Jaccard",
    "drafts",
    "drafts",
    "Tags both offered and posted, of tags offered or posted: the mean over posted drafts.",
    _mean(
        "jaccard_sum",
        "union_n",
        lambda counts: (
            counts.union_n,
            counts.jaccard_sum,
            counts.jaccard_squares,
            counts.matched_tags,
            counts.offered_tags + counts.posted_tags - counts.matched_tags,
        ),
    ),
)
EXACT = Figure(
    "exact",
    "Exact match",
    "drafts",
    "drafts",
    "Posted drafts whose offered tags are the posted ones, no more and no less.",
    _rate("exact", "union_n", lambda counts: (counts.exact, counts.union_n, counts.open_drafts)),
)
ONE_FOUND = Figure(
    "one_found",
    "One found",
    "drafts",
    "drafts",
    "Posted drafts that were offered at least one of their tags.",
    _rate("one_found", "recall_n", lambda counts: (counts.one_found, counts.recall_n, counts.open_drafts)),
)
ALL_FOUND = Figure(
    "all_found",
    "All found",
    "drafts",
    "drafts",
    "Posted drafts that were offered all of their tags.",
    _rate("all_found", "recall_n", lambda counts: (counts.all_found, counts.recall_n, counts.open_drafts)),
)
MISSED = Figure(
    "missed",
    "Missed",
    "tags",
    "drafts",
    "Tags posted that were not offered, of tags posted in drafts that got an answer.",
    _rate("missed_tags", "posted_tags", lambda counts: (counts.missed_tags, counts.posted_tags, counts.open_drafts)),
)
UNKNOWN = Figure(
    "unknown",
    "Unknown",
    "tags",
    "drafts",
    "Missed tags that are not in the vocabulary of the model loaded now, of missed tags.",
    _rate("unknown_tags", "judged_tags", lambda counts: (counts.unknown_tags, counts.judged_tags, counts.open_drafts)),
)

HEADLINES = (ACCEPTANCE, KEPT, AGREEMENT, DISMISSAL, HELP, COVERAGE, MISSED, UNKNOWN)
QUALITY = (PRECISION, RECALL, F1, JACCARD, EXACT, ONE_FOUND, ALL_FOUND)
FIGURES = HEADLINES + QUALITY
"""Every figure, in the order it is shown."""

ITEM_FIGURES = (ACCEPTANCE, KEPT, AGREEMENT, DISMISSAL)
"""The figures that are defined for single items, and so for a tag or a position."""
