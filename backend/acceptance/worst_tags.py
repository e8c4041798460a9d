"""The worst tags of a period: those that writers dismiss, those that are missed, those unknown to the model."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from backend.acceptance.figures import DISMISSAL, Counts, Rate

Category = Literal["dismissed", "missed", "unknown"]

# Per category, so that the file can be read in a minute.
MAX_TAGS = 25


@dataclass(frozen=True, slots=True)
class WorstTag:
    """A tag, and how bad it is: dismissed of viewed chips, or missed of the drafts that posted it."""

    category: Category
    tag: str
    rate: Rate


def sort_by_missed(tags: Mapping[str, Counts]) -> list[tuple[str, Counts]]:
    """Return the tags that were ever missed, the most often missed first, then by name."""
    missed = [(tag, counts) for tag, counts in tags.items() if counts.missed_tags]
    return sorted(missed, key=lambda row: (-row[1].missed_tags, row[0]))


def list_worst_tags(tags: Mapping[str, Counts], vocabulary: Collection[str]) -> list[WorstTag]:
    """Return the worst tags, by category, each the worst first.

    Dismissed tags are sorted by the lower bound of their rate, so that one dismissal of one chip does not lead; missed
    and unknown ones by how often they were missed. An unknown tag is listed as ``unknown`` only.

    Args:
        tags: counts by tag.
        vocabulary: the tags of the model loaded now; if empty, nothing can be called unknown.
    """
    known = frozenset(vocabulary)
    dismissed = [
        WorstTag("dismissed", tag, Rate(counts.dismissed, counts.viewed))
        for tag, counts in tags.items()
        if DISMISSAL.compute(counts).value
    ]
    dismissed.sort(key=lambda row: (-(row.rate.interval or (0.0, 0.0))[0], row.tag))
    not_offered = [
        WorstTag(
            "unknown" if known and tag not in known else "missed", tag, Rate(counts.missed_tags, counts.posted_tags)
        )
        for tag, counts in sort_by_missed(tags)
    ]
    missed = [row for row in not_offered if row.category == "missed"]
    unknown = [row for row in not_offered if row.category == "unknown"]
    return [*dismissed[:MAX_TAGS], *missed[:MAX_TAGS], *unknown[:MAX_TAGS]]
