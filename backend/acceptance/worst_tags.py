"""The worst tags of a period: those that writers dismiss, those that are missed, those unknown to the model.

And those whose acceptance stands out, for better or worse, from that of all chips.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

from backend.acceptance.clusters import clustered_interval
from backend.acceptance.figures import ACCEPTANCE, DISMISSAL, MIN_SAMPLE, MISSED, Counts, Figure, Mean, Rate
from backend.acceptance.intervals import CONFIDENCE, wilson_interval

Category = Literal["dismissed", "missed", "unknown"]

# Per category, so that the file can be read in a minute.
MAX_TAGS = 25


@dataclass(frozen=True, slots=True)
class WorstTag:
    """A tag, and how bad it is: dismissed of viewed chips, or missed of the drafts that posted it."""

    category: Category
    tag: str
    rate: Rate | Mean


def sort_by_missed(tags: Mapping[str, Counts]) -> list[tuple[str, Counts]]:
    """Return the tags that were ever missed, the most often missed first, then by name."""
    missed = [(tag, counts) for tag, counts in tags.items() if counts.missed_tags]
    return sorted(missed, key=lambda row: (-row[1].missed_tags, row[0]))


def list_worst_tags(tags: Mapping[str, Counts], vocabulary: Collection[str]) -> list[WorstTag]:
    """Return the worst tags, by category, each the worst first.

    Dismissed tags are sorted by the lower bound of their rate, so that one dismissal of one chip does not lead, and
    those with too few writers for bounds by how often they were dismissed; missed and unknown ones by how often they
    were missed. An unknown tag is listed as ``unknown`` only.

    Args:
        tags: counts by tag.
        vocabulary: the tags of the model loaded now; if empty, nothing can be called unknown.
    """
    known = frozenset(vocabulary)
    dismissed = [
        WorstTag("dismissed", tag, _rate(DISMISSAL, counts))
        for tag, counts in tags.items()
        if DISMISSAL.compute(counts).value
    ]
    dismissed.sort(key=lambda row: (-(row.rate.interval or (0.0, 0.0))[0], -row.rate.numerator, row.tag))
    not_offered = [
        WorstTag("unknown" if known and tag not in known else "missed", tag, _rate(MISSED, counts))
        for tag, counts in sort_by_missed(tags)
    ]
    missed = [row for row in not_offered if row.category == "missed"]
    unknown = [row for row in not_offered if row.category == "unknown"]
    return [*dismissed[:MAX_TAGS], *missed[:MAX_TAGS], *unknown[:MAX_TAGS]]


@dataclass(frozen=True, slots=True)
class StandingOut:
    """Tags whose acceptance chance does not explain, those furthest from it first; no tag is in both lists.

    Attributes:
        best, worst: above and below the acceptance of all chips.
        n_judged: tags that were seen often enough to be judged.
    """

    best: list[tuple[str, Counts]]
    worst: list[tuple[str, Counts]]
    n_judged: int


def find_tags_standing_out(tags: Mapping[str, Counts]) -> StandingOut:
    """Return the tags whose interval, wide enough for all of them together, excludes the acceptance of all chips.

    Of a hundred tags that are all alike, five would leave the acceptance of all by their own 95 % intervals; here it is
    one in twenty such pages that names any: the intervals of ``k`` tags hold together where each misses in 5 % / k of
    cases (Bonferroni). They are clustered by writer where the writers are known; a tag of too few writers never stands
    out.
    """
    n, hits = sum(counts.viewed for counts in tags.values()), sum(counts.accepted for counts in tags.values())
    judged = [(tag, counts) for tag, counts in tags.items() if counts.viewed >= MIN_SAMPLE]
    if not judged:
        return StandingOut([], [], 0)
    share, confidence = hits / n, 1 - (1 - CONFIDENCE) / len(judged)
    distances = [(_distance(counts, share, confidence), tag, counts) for tag, counts in judged]
    distances.sort(key=lambda row: row[:2])
    return StandingOut(
        best=[(tag, counts) for distance, tag, counts in reversed(distances) if distance > 0],
        worst=[(tag, counts) for distance, tag, counts in distances if distance < 0],
        n_judged=len(judged),
    )


def _distance(counts: Counts, share: float, confidence: float) -> float:
    """Return how far the interval of a tag's acceptance lies above a share, or below it; 0 where it holds the share."""
    by_writer = ACCEPTANCE.compute(counts).by_writer
    if by_writer is None:
        bounds = wilson_interval(counts.accepted, counts.viewed, NormalDist().inv_cdf((1 + confidence) / 2))
    else:
        bounds = clustered_interval(by_writer.sums, confidence)
    low, high = bounds or (share, share)
    return low - share if low > share else min(high - share, 0.0)


def _rate(figure: Figure, counts: Counts) -> Rate | Mean:
    """Return a tag's figure; what of it is open is not known by tag."""
    return replace(figure.compute(counts), open=None)
