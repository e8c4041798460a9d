"""Which tags go together: what the tags that a writer has chosen say of the others."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.runs.arrays import Floats, Ints

PARTNERS: Final = 32
"""Tags for which a chosen tag speaks, or against which: those it says most of."""
LEAST_USES: Final = 30
"""Uses in the tag sets from which on a chosen tag says something of others."""
DOUBT: Final = 2.0
"""How many pairs, seen and expected, are added before they are compared: a rare pair says little."""
LIMIT: Final = 4.0
"""Most that a chosen tag says of another, either way, before its weight."""
WEIGHTS: Final = (0.0, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
"""Weights of what chosen tags say that are tried on the tune part."""
BEST: Final = 5
"""Best remaining tags that are looked at when one is given."""
LESS_TRIED: Final = tuple(round(0.05 * i, 2) for i in range(41))
"""By how much a chosen tag may lower the others."""
_SAID: Final = 1e-3


@dataclass(frozen=True, slots=True)
class Together:
    """What a chosen tag says: ``partners`` int64 [tags, m], and ``says`` float32 [tags, m], added at the partners.

    Places that are left over say 0 of tag 0. ``less``: by how much each chosen tag lowers all others, since a question
    has only so many.
    """

    partners: Ints
    says: Floats
    less: float = 0.0

    def weighed(self, weight: float) -> "Together":
        """Give the same with everything said times a weight."""
        return replace(self, says=self.says * np.float32(weight))

    def added(self, ordering: Floats, chosen: Sequence[int]) -> Floats:
        """Add what the chosen tags say to what orders one draft's tags, [tags]: what the graph computes."""
        result = ordering - np.float32(self.less * len(chosen))
        np.add.at(result, self.partners[list(chosen)].ravel(), self.says[list(chosen)].ravel())
        return result


def count_together(tags: Sequence[str], tag_sets: Sequence[Sequence[str]]) -> Together:
    """Give the logarithm of how much oftener two tags are together than by chance, at weight 1.

    ln((n + DOUBT) / (expected + DOUBT)): a shrunken pointwise mutual information (Church and Hanks 1990). Of each tag
    the ``PARTNERS`` are kept for which it changes most: |ln| · √(pairs seen + expected).
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
    for (one, other), n in pairs.items():
        with_one = partners_of.setdefault(one, ([], []))
        with_one[0].append(other)
        with_one[1].append(n)
    for tag in np.flatnonzero(uses >= LEAST_USES).tolist():
        seen = np.zeros(len(tags))
        others, counts = partners_of.get(tag, ([], []))
        seen[others] = counts
        expected = uses[tag] * uses / max(len(sets), 1)
        lift = np.clip(np.log((seen + DOUBT) / (expected + DOUBT)), -LIMIT, LIMIT)
        lift[tag] = 0
        change = np.abs(lift) * np.sqrt(seen + expected)
        best = np.argsort(-change, kind="stable")[:m]
        said = change[best] > _SAID
        partners[tag, : said.sum()], says[tag, : said.sum()] = best[said], lift[best[said]]
    return Together(partners, says)


@dataclass(frozen=True, slots=True)
class Remaining:
    """The best of what remains of questions of which one tag is given.

    ``rows``: the questions, [n]. ``values``: what orders their five best remaining tags, [n, 5], and whether these are
    ``right``. ``left``: how many tags each has beside the given one, [n].
    """

    rows: Ints
    values: Floats
    right: NDArray[np.bool_]
    left: Ints

    def recall(self) -> float:
        """Give the share of the remaining tags among the best five, mean over the questions."""
        return float(np.mean(self.right.sum(axis=1) / np.minimum(BEST, self.left))) if len(self.rows) else 0.0


def joined(parts: Sequence[Remaining]) -> Remaining:
    """Join what remains of several lots of questions; ``rows`` stay numbers within their lot."""
    return Remaining(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("rows", "values", "right", "left"))
    )


def given_one(
    together: Together, ordering: Floats, own: Sequence[frozenset[int]], posted: Ints, random: np.random.Generator
) -> Remaining:
    """Choose one tag of each question at random, and give what remains.

    Questions with one tag, or with none that the model knows, have nothing left and are passed over.

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
        result = together.added(ordering[row], [chosen])
        result[chosen] = -np.inf
        best = np.argpartition(-result, n)[:n]
        values[place] = result[best]
        right[place] = [tag in own[row] for tag in best.tolist()]
    return Remaining(rows, values, right, posted[rows] - 1)
