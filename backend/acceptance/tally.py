"""Counts that add up: what every figure is computed from."""

from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from operator import attrgetter

from backend.acceptance.writers import FigureWriters, Writers


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
        writers: what each writer did of all this, which intervals need; None where that is not known.
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
    writers: Writers | None = field(default=None, repr=False, compare=False)

    def by_writer(self, x: str, n: str, squares: float | None = None) -> FigureWriters | None:
        """Return what each writer did, as ``x`` of ``n``; see `backend.acceptance.writers`."""
        return None if self.writers is None else self.writers.figure(x, n, squares)


_values = attrgetter(*(count.name for count in fields(Counts) if count.name != "writers"))


def add_counts(rows: Iterable[Counts]) -> Counts:
    """Add up the counts of disjoint items and drafts, field by field; no rows give zeros.

    Writers don't add up, since one may be in several rows: the sum knows none.
    """
    return Counts(*map(sum, zip(*map(_values, rows), strict=True)))  # type: ignore[arg-type] # writers come last
