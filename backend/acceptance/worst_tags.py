"""The worst of a period: tags that writers dismiss, tags that are missed, tags that no model of ours knows."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from backend.acceptance.figures import DISMISSAL, Counts, Rate

What = Literal["dismissed", "missed", "unknown"]

# Of each kind, so that the file can be read in a minute.
MOST = 25


@dataclass(frozen=True, slots=True)
class Worst:
    """A tag, and how bad it is: dismissed of seen chips, or missed of the drafts that posted it."""

    what: What
    tag: str
    rate: Rate


def worst(tags: Mapping[str, Counts], vocabulary: Collection[str]) -> list[Worst]:
    """The worst tags, each kind the worst first.

    Dismissed tags go by the lower bound of their share, so that one dismissal of one chip does not lead; missed and
    unknown ones by how often. An unknown tag stands under ``unknown`` only.

    Args:
        tags: counts by tag.
        vocabulary: the tags of the model loaded now; empty: nothing can be called unknown.
    """
    known = frozenset(vocabulary)
    dismissed = [
        Worst("dismissed", tag, Rate(counts.dismissed, counts.viewed))
        for tag, counts in tags.items()
        if DISMISSAL.of(counts).value
    ]
    dismissed.sort(key=lambda row: (-(row.rate.interval or (0.0, 0.0))[0], row.tag))
    not_offered = [
        Worst("unknown" if known and tag not in known else "missed", tag, Rate(counts.missed_tags, counts.posted_tags))
        for tag, counts in tags.items()
        if counts.missed_tags
    ]
    not_offered.sort(key=lambda row: (-row.rate.numerator, row.tag))
    missed = [row for row in not_offered if row.what == "missed"]
    unknown = [row for row in not_offered if row.what == "unknown"]
    return [*dismissed[:MOST], *missed[:MOST], *unknown[:MOST]]
