"""What each writer (install) did, which every interval and every change rests on: see `backend.acceptance.clusters`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import compress

import numpy as np

from backend.acceptance.clusters import (
    STRANGERS,
    Floats,
    Integers,
    Pair,
    PairSums,
    WriterSums,
    sum_by_key,
    sum_products,
)

ITEM_PAIRS: tuple[Pair, ...] = (
    ("accepted", "viewed"),
    ("dismissed", "viewed"),
    ("kept", "posted_viewed"),
    ("agreed", "posted_viewed"),
)
DRAFT_PAIRS: tuple[Pair, ...] = (
    ("helped_drafts", "viewed_drafts"),
    ("covered", "answered"),
    ("missed_tags", "posted_tags"),
    ("precision_sum", "precision_n"),
    ("recall_sum", "recall_n"),
    ("one_found", "recall_n"),
    ("all_found", "recall_n"),
    ("f1_sum", "union_n"),
    ("jaccard_sum", "union_n"),
    ("exact", "union_n"),
)
PAIRS = ITEM_PAIRS + DRAFT_PAIRS
"""What figures divide by what, of the counts in `backend.acceptance.figures.Counts` that are kept by install."""

TAG_PAIRS = (*ITEM_PAIRS, ("missed_tags", "posted_tags"))
"""Those of items, and of a tag's drafts."""

INSTALL_COUNTS = tuple(dict.fromkeys(name for pair in PAIRS for name in pair))
"""The counts that are kept by install."""

ABSENT = object()
"""The value of a key that an entry does not have, as a posted tag has no position."""


@dataclass(frozen=True, slots=True)
class InstallCounts:
    """What each install did; one entry an install and combination of keys, in arrays ``(entries,)``.

    Attributes:
        installs: a hash of each install's id.
        keys: values by the name of the key, such as ``model_version``, or of a day.
        counts: by name.
    """

    installs: Integers
    keys: Mapping[str, Sequence[object]]
    counts: Mapping[str, Floats]

    def group_by(self, key: str | None, pairs: Sequence[Pair] = PAIRS) -> dict[object, "Writers"]:
        """Return the writers of each value of a key; with None, those of everything, under None."""
        numbering: dict[object, int] = {None: 0} if key is None else {}
        labels = [None] * len(self.installs) if key is None else self.keys[key]
        codes = np.array([numbering.setdefault(label, len(numbering)) for label in labels], dtype=np.int64)
        installs, install_codes = np.unique(self.installs, return_inverse=True)
        entries, places = np.unique(codes * len(installs) + install_codes, return_inverse=True)
        counts = {
            name: np.bincount(places, weights=numbers, minlength=len(entries)).astype(np.float64)
            for name, numbers in self.counts.items()
        }
        known = [pair for pair in pairs if pair[0] in counts]
        sums = sum_by_key(entries // max(1, len(installs)), len(numbering), counts, known)
        everyone = Everyone(installs, counts) if key is None else None
        return {
            value: Writers({pair: rows[number] for pair, rows in sums.items()}, everyone)
            for number, value in enumerate(numbering)
        }

    def where(self, key: str, value: object) -> "InstallCounts":
        """Return the entries with this value of a key."""
        chosen = np.array([entry == value for entry in self.keys[key]], dtype=bool)
        return InstallCounts(
            self.installs[chosen],
            {name: list(compress(values, chosen)) for name, values in self.keys.items()},
            {name: values[chosen] for name, values in self.counts.items()},
        )


def join_counts(parts: Sequence[InstallCounts], keys: Sequence[str] = (), counts: Sequence[str] = ()) -> InstallCounts:
    """Return the entries of all parts, with every key and count of any; keys that a part lacks are `ABSENT`.

    Args:
        parts: what to put together.
        keys, counts: names that the result has in any case.
    """
    key_names = dict.fromkeys([*keys, *(name for part in parts for name in part.keys)])
    count_names = dict.fromkeys([*counts, *(name for part in parts for name in part.counts)])
    return InstallCounts(
        np.concatenate([np.zeros(0, dtype=np.int64), *(part.installs for part in parts)]),
        {
            name: [value for part in parts for value in part.keys.get(name, [ABSENT] * len(part.installs))]
            for name in key_names
        },
        {
            name: np.concatenate(
                [np.zeros(0), *(part.counts.get(name, np.zeros(len(part.installs))) for part in parts)]
            )
            for name in count_names
        },
    )


@dataclass(frozen=True, slots=True, eq=False)
class Everyone:
    """All that each install did in a period: the hashes of their ids, ascending, and counts; arrays ``(installs,)``."""

    installs: Integers
    counts: Mapping[str, Floats]

    def pair_with(self, before: "Everyone", x: str, n: str) -> PairSums:
        """Return the products of what each install did in this period and in another one."""
        _, here, there = np.intersect1d(self.installs, before.installs, assume_unique=True, return_indices=True)
        return sum_products(
            (self.counts[x][here], before.counts[x][there]), (self.counts[n][here], before.counts[n][there])
        )


@dataclass(frozen=True, slots=True)
class Writers:
    """What the writers behind some counts did.

    Attributes:
        sums: over writers, by the pair of counts.
        everyone: the writers themselves; None where they are not known one by one.
    """

    sums: Mapping[Pair, WriterSums]
    everyone: Everyone | None = None

    def __add__(self, other: "Writers") -> "Writers":
        """Return both, taking the other's writers as others; the products with other periods go by the first."""
        return Writers({pair: sums + other.sums[pair] for pair, sums in self.sums.items()}, self.everyone)

    def figure(self, x: str, n: str, squares: float | None = None) -> "FigureWriters | None":
        """Return what the writers did as ``x`` of ``n``; None where that is not counted by writer.

        Args:
            x, n: names of counts.
            squares: the sum of the squared values of single drafts, where they are not 0 or 1.
        """
        sums = self.sums.get((x, n))
        if sums is None:
            return None
        return FigureWriters(sums if squares is None else replace(sums, squares=squares), x, n, self.everyone)


@dataclass(frozen=True, slots=True)
class FigureWriters:
    """What writers did of one figure, as count ``x`` of count ``n``."""

    sums: WriterSums
    x: str
    n: str
    everyone: Everyone | None

    def pair_with(self, before: "FigureWriters") -> PairSums:
        """Return the products of what those did who wrote in both periods; zeros where they are not known."""
        if self.everyone is None or before.everyone is None:
            return STRANGERS
        return self.everyone.pair_with(before.everyone, self.x, self.n)
