"""The figures: counts that add up, and the rates and means worked out of them.

This is the one place that says which count is divided by which. Page, JSON and CSV all read ``FIGURES``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from operator import attrgetter

from backend.acceptance.intervals import interval_of_difference, interval_of_mean, wilson

# Below this many, a figure says little, and is shown in grey.
ENOUGH = 30


# Not frozen, which would make the thousands of them that a page of all tags needs four times as slow.
@dataclass(slots=True)
class Counts:
    """What was counted in one row of a breakdown.

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


COLUMNS = attrgetter(*(field.name for field in fields(Counts)))


def total(rows: Iterable[Counts]) -> Counts:
    """Rows of disjoint items and drafts added up, field by field; of none, zeros."""
    return Counts(*map(sum, zip(*map(COLUMNS, rows), strict=True)))


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of counted things, ``numerator`` of ``denominator``, with Wilson's interval.

    Attributes:
        open: how many of what is counted may still change; None where that has no meaning.
    """

    numerator: int
    denominator: int
    open: int | None = None

    @property
    def n(self) -> int:
        """How many things the rate is about."""
        return self.denominator

    @property
    def value(self) -> float | None:
        """The share, 0..1; None, that is n/a, of nothing."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds at 95 %."""
        return wilson(self.numerator, self.denominator)


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of a value that each draft has, every draft weighing the same, with Student's interval.

    Attributes:
        n: drafts that have the value.
        sum, squares: of the drafts' values and of their squares.
        numerator, denominator: the same figure of all drafts' tags thrown together, where a draft with
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
        """The mean, 0..1; None, that is n/a, of no draft."""
        return self.sum / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds at 95 %."""
        return interval_of_mean(self.n, self.sum, self.squares)


@dataclass(frozen=True, slots=True)
class Change:
    """By how much a figure differs from another time's: ``value`` in -1..1, with its bounds at 95 %."""

    value: float
    low: float
    high: float

    @property
    def sure(self) -> bool:
        """Whether it is more than chance explains."""
        return self.low > 0 or self.high < 0


def change(now: Rate | Mean, before: Rate | Mean) -> Change | None:
    """The change from one time to another; None where either time has nothing to count."""
    if now.value is None or before.value is None or now.interval is None or before.interval is None:
        return None
    low, high = interval_of_difference(now.value, now.interval, before.value, before.interval)
    return Change(now.value - before.value, low, high)


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure.

    Attributes:
        name: in JSON and CSV.
        title: on the page.
        unit: what its n counts.
        open_unit: what may still change it: items or drafts.
        how: one or two sentences on how it is counted.
        of: the figure of a row of counts.
    """

    name: str
    title: str
    unit: str
    open_unit: str
    how: str
    of: Callable[[Counts], Rate | Mean]


ACCEPTANCE = Figure(
    "acceptance",
    "Acceptance",
    "items",
    "items",
    "Chips clicked, and taken by the page, of chips seen. Counts on the day of the first view; open for 30 minutes.",
    lambda c: Rate(c.accepted, c.viewed, c.open_items),
)
KEPT = Figure(
    "kept",
    "Kept",
    "items",
    "drafts",
    "Chips clicked that were among the tags posted, of chips seen in posted drafts. Counts on the day of "
    "posting; drafts are open for 24 hours.",
    lambda c: Rate(c.kept, c.posted_viewed, c.open_drafts),
)
AGREEMENT = Figure(
    "agreement",
    "Agreement",
    "items",
    "drafts",
    "Chips whose tag was posted, clicked or typed by hand, of chips seen in posted drafts. Day of posting.",
    lambda c: Rate(c.agreed, c.posted_viewed, c.open_drafts),
)
DISMISSAL = Figure(
    "dismissal",
    "Dismissal",
    "items",
    "items",
    "Chips the writer said no to, and left at that, of chips seen. Ignoring a chip is no dismissal. Day of "
    "the first view.",
    lambda c: Rate(c.dismissed, c.viewed, c.open_items),
)
HELP = Figure(
    "help",
    "Help",
    "drafts",
    "drafts",
    "Drafts in which a chip was accepted, of drafts in which one was seen. Day of the draft's first view.",
    lambda c: Rate(c.helped_drafts, c.viewed_drafts, c.open_viewed_drafts),
)
COVERAGE = Figure(
    "coverage",
    "Coverage",
    "drafts",
    "drafts",
    "Drafts that were offered a tag, of drafts that got an answer. Day of the draft's start.",
    lambda c: Rate(c.covered, c.answered, c.open_answered),
)
PRECISION = Figure(
    "precision",
    "Precision",
    "drafts",
    "drafts",
    "Tags offered that were posted, of tags offered: the mean over posted drafts that were offered any.",
    lambda c: Mean(c.precision_n, c.precision_sum, c.precision_squares, c.matched_tags, c.offered_tags, c.open_drafts),
)
RECALL = Figure(
    "recall",
    "Recall",
    "drafts",
    "drafts",
    "Tags posted that were offered, of tags posted: the mean over posted drafts.",
    lambda c: Mean(c.recall_n, c.recall_sum, c.recall_squares, c.matched_tags, c.posted_tags, c.open_drafts),
)
F1 = Figure(
    "f1",
    "F1",
    "drafts",
    "drafts",
    "Twice the tags both offered and posted, of tags offered plus tags posted: the mean over posted drafts.",
    lambda c: Mean(
        c.union_n,
        c.f1_sum,
        c.f1_squares,
        2 * c.matched_tags,
        c.offered_tags + c.posted_tags,
        c.open_drafts,
    ),
)
JACCARD = Figure(
    "jaccard",
    "Jaccard",
    "drafts",
    "drafts",
    "Tags both offered and posted, of tags offered or posted: the mean over posted drafts.",
    lambda c: Mean(
        c.union_n,
        c.jaccard_sum,
        c.jaccard_squares,
        c.matched_tags,
        c.offered_tags + c.posted_tags - c.matched_tags,
        c.open_drafts,
    ),
)
EXACT = Figure(
    "exact",
    "Exact match",
    "drafts",
    "drafts",
    "Posted drafts whose offered tags are the posted ones, no more and no less.",
    lambda c: Rate(c.exact, c.union_n, c.open_drafts),
)
ONE_FOUND = Figure(
    "one_found",
    "One found",
    "drafts",
    "drafts",
    "Posted drafts that were offered at least one of their tags.",
    lambda c: Rate(c.one_found, c.recall_n, c.open_drafts),
)
ALL_FOUND = Figure(
    "all_found",
    "All found",
    "drafts",
    "drafts",
    "Posted drafts that were offered all of their tags.",
    lambda c: Rate(c.all_found, c.recall_n, c.open_drafts),
)
MISSED = Figure(
    "missed",
    "Missed",
    "tags",
    "drafts",
    "Tags posted that were not offered, of tags posted in drafts that got an answer.",
    lambda c: Rate(c.missed_tags, c.posted_tags, c.open_drafts),
)
UNKNOWN = Figure(
    "unknown",
    "Unknown",
    "tags",
    "drafts",
    "Missed tags that are not in the vocabulary of the model loaded now, of missed tags.",
    lambda c: Rate(c.unknown_tags, c.judged_tags, c.open_drafts),
)

HEADLINES = (ACCEPTANCE, KEPT, AGREEMENT, DISMISSAL, HELP, COVERAGE, MISSED, UNKNOWN)
QUALITY = (PRECISION, RECALL, F1, JACCARD, EXACT, ONE_FOUND, ALL_FOUND)
FIGURES = HEADLINES + QUALITY
"""Every figure, in the order it is shown."""

ITEM_FIGURES = (ACCEPTANCE, KEPT, AGREEMENT, DISMISSAL)
"""The figures that single items have, and so a tag or a position."""
