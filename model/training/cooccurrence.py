"""Which tags occur together: what the tags that a writer has chosen say of the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.runs.arrays import Floats, Ints

PARTNERS: Final = 32
"""How many tags a chosen tag raises or lowers beside all others: those that it says most of."""
MIN_COUNT: Final = 30
"""Fewest uses in the tag sets of a chosen tag that says something of others."""
PSEUDO_COUNT: Final = 2.0
"""Pairs added to the seen and to the expected ones before they are compared: a rare pair says little."""
MAX_LIFT: Final = 4.0
"""Most that a chosen tag says of another, either way, before its weight."""
WEIGHTS: Final = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Weights of what chosen tags say, to try on the tune part."""
BEST: Final = 5
"""Best remaining tags that recall looks at."""
LESS_TRIED: Final = tuple(round(0.05 * i, 2) for i in range(41))
"""By how much a chosen tag may lower the others."""
_MIN_CHANGE: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Cooccurrence:
    """What a chosen tag says of others: ``says`` float32 [tags, m] is added at its ``partners`` int64 [tags, m].

    Unused places say 0 of tag 0. ``less``: by how much each chosen tag lowers all others, since a question has only so
    many.
    """

    partners: Ints
    says: Floats
    less: float = 0.0

    def scale(self, weight: float) -> "Cooccurrence":
        """Return the same with ``says`` times a weight."""
        return replace(self, says=self.says * np.float32(weight))

    def apply(self, ordering: Floats, chosen: Sequence[int]) -> Floats:
        """Return what orders one draft's tags, [tags], given the chosen ones: what the graph computes."""
        result = ordering - np.float32(self.less * len(chosen))
        np.add.at(result, self.partners[list(chosen)].ravel(), self.says[list(chosen)].ravel())
        return result


def count_cooccurrence(tags: Sequence[str], tag_sets: Sequence[Sequence[str]]) -> Cooccurrence:
    """Return the logarithm of how much more often two tags occur together than by chance, at weight 1.

    ln((n + PSEUDO_COUNT) / (expected + PSEUDO_COUNT)): a shrunken pointwise mutual information (Church and Hanks 1990).
    Of each tag the ``PARTNERS`` are kept for which it changes most: |ln| · √(pairs seen + expected).
    """
    number = {tag: i for i, tag in enumerate(tags)}
    sets = [sorted({number[tag] for tag in tag_set if tag in number}) for tag_set in tag_sets]
    uses = np.bincount([tag for tag_set in sets for tag in tag_set], minlength=len(tags)).astype(np.float64)
    pairs: Counter[tuple[int, int]] = Counter()
    for tag_set in sets:
        pairs.update(permutations(tag_set, 2))
    m = min(PARTNERS, len(tags))
    partners, says = np.zeros((len(tags), m), np.int64), np.zeros((len(tags), m), np.float32)
    partners_of: dict[int, tuple[list[int], list[int]]] = {}
    for (tag, partner), n in pairs.items():
        numbers, counts = partners_of.setdefault(tag, ([], []))
        numbers.append(partner)
        counts.append(n)
    for tag in np.flatnonzero(uses >= MIN_COUNT).tolist():
        seen = np.zeros(len(tags))
        numbers, counts = partners_of.get(tag, ([], []))
        seen[numbers] = counts
        expected = uses[tag] * uses / max(len(sets), 1)
        lift = np.clip(np.log((seen + PSEUDO_COUNT) / (expected + PSEUDO_COUNT)), -MAX_LIFT, MAX_LIFT)
        lift[tag] = 0
        change = np.abs(lift) * np.sqrt(seen + expected)
        best = np.argsort(-change, kind="stable")[:m]
        best = best[change[best] > _MIN_CHANGE]
        partners[tag, : len(best)], says[tag, : len(best)] = best, lift[best]
    return Cooccurrence(partners, says)


@dataclass(frozen=True, slots=True)
class RemainingTags:
    """The best five of the other tags of questions of which one tag is chosen.

    ``rows``: the questions, [n]. ``values`` [n, 5]: what orders their five best remaining tags, and whether these are
    ``right``. ``left``: how many tags each has beside the chosen one, [n].
    """

    rows: Ints
    values: Floats
    right: NDArray[np.bool_]
    left: Ints

    def recall(self) -> float:
        """Return the share of the remaining tags among the best five, mean over the questions."""
        return float(np.mean(self.right.sum(axis=1) / np.minimum(BEST, self.left))) if len(self.rows) else 0.0


def concatenate(parts: Sequence[RemainingTags]) -> RemainingTags:
    """Join the remaining tags of several chunks of questions; ``rows`` stay numbers within their chunk."""
    return RemainingTags(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "values", "right", "left"))
    )


def choose_one(
    cooccurrence: Cooccurrence,
    ordering: Floats,
    own: Sequence[frozenset[int]],
    posted: Ints,
    random: np.random.Generator,
) -> RemainingTags:
    """Choose one tag of each question at random, and return the best of the others.

    Questions with one tag, or with none that the model knows, have nothing left and are skipped.

    Args:
        ordering: of questions without chosen tags, [questions, tags].
        own: the numbers of each question's tags.
        posted: how many tags each question has, [questions].
    """
    rows = np.array([row for row, tags in enumerate(own) if tags and posted[row] > 1], np.int64)
    n = min(BEST, ordering.shape[1] - 1)
    values, right = np.zeros((len(rows), n), np.float32), np.zeros((len(rows), n), bool)
    for place, row in enumerate(rows.tolist()):
        chosen = sorted(own[row])[int(random.integers(len(own[row])))]
        result = cooccurrence.apply(ordering[row], [chosen])
        result[chosen] = -np.inf
        best = np.argpartition(-result, n)[:n]
        values[place] = result[best]
        right[place] = [tag in own[row] for tag in best.tolist()]
    return RemainingTags(rows, values, right, posted[rows] - 1)
