"""Breakdowns of counts by day, model version, site, position, length and score, from the rows of the statements."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import add
from typing import Any

from backend.acceptance.figures import Counts, add_counts
from backend.acceptance.filters import ORIGINS, Filters
from backend.acceptance.queries.grouping import Key


@dataclass(frozen=True, slots=True)
class Block:
    """The rows of one statement: values of the ``keys``, then of the ``counts``, which are fields of ``Counts``."""

    keys: tuple[str, ...]
    counts: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def select_count(self, count: str) -> "Block":
        """Return the same rows with only one of their counts."""
        n_keys, index = len(self.keys), len(self.keys) + self.counts.index(count)
        return Block(self.keys, (count,), [(*row[:n_keys], row[index]) for row in self.rows])


@dataclass(frozen=True, slots=True)
class Grid:
    """Counts by day, model version, site, origin and, for items, position and order.

    Attributes:
        items, drafts: rows of the statements that count items and drafts.
        has_vocabulary: whether there was a vocabulary to look up missed tags in.
    """

    items: Sequence[Block]
    drafts: Sequence[Block]
    has_vocabulary: bool

    def overview(self) -> Counts:
        """Return the sum of everything."""
        return add_counts(self.by_model_version().values())

    def by_day(self, filters: Filters) -> dict[date, Counts]:
        """Return the counts of every day of the span, in order, empty ones included."""
        counts = self._by("day")
        return {day: counts.get(day, Counts()) for day in filters.days}

    def by_model_version(self) -> dict[str, Counts]:
        """Return the counts of every model version in the span, by name."""
        return dict(sorted(self._by("model_version").items()))

    def by_site(self) -> dict[str, Counts]:
        """Return the counts of every site in the span, by name."""
        return dict(sorted(self._by("site").items()))

    def by_origin(self) -> dict[str, Counts]:
        """Return the counts of answers of the service and of the device, where there are any."""
        counts = self._by("origin")
        return {origin: counts[origin] for origin in ORIGINS if origin in counts}

    def by_position(self, order: str | None = None) -> dict[int | None, Counts]:
        """Return the counts of every position on screen, from 1; None, last, holds items of unknown position.

        Args:
            order: only of chips in the order of the ``model``, or in ``random`` order; None: both.
        """
        items = self.items
        if order is not None:
            items = [
                replace(block, rows=[row for row in block.rows if row[block.keys.index("order")] == order])
                for block in items
            ]
        return dict(sorted(sum_blocks(items, "position").items(), key=lambda row: (row[0] is None, row[0])))

    def _by(self, key: Key) -> dict[Any, Counts]:
        counts_by_key = sum_blocks([*self.items, *self.drafts], key)
        if self.has_vocabulary:
            for counts in counts_by_key.values():
                counts.judged_tags = counts.missed_tags
        return counts_by_key


@dataclass(frozen=True, slots=True)
class Offers:
    """Counts of viewed items by properties of the answer that offered them."""

    items: Sequence[Block]

    def by_length(self) -> dict[int, Counts]:
        """Return the counts by band of the body's length (``LENGTH_BANDS``); band 0 is without a body."""
        return dict(sorted(sum_blocks(self.items, "length").items()))

    def by_score(self) -> dict[int, Counts]:
        """Return the counts by band of the score, from 0."""
        return dict(sorted(sum_blocks(self.items, "score").items()))


@dataclass(frozen=True, slots=True)
class Breakdowns:
    """All the breakdowns of one page; ``tags`` as `backend.acceptance.counts.count_tags` returns them."""

    grid: Grid
    offers: Offers
    tags: dict[str, Counts]


def sum_blocks(blocks: Iterable[Block], key: Key) -> dict[Any, Counts]:
    """Add up the rows that agree in one of their keys."""
    counts_by_key: dict[Any, Counts] = {}
    for block in blocks:
        key_index, n_keys = block.keys.index(key), len(block.keys)
        sums: dict[Any, Sequence[Any]] = {}
        for row in block.rows:
            before = sums.get(row[key_index])
            sums[row[key_index]] = row[n_keys:] if before is None else list(map(add, before, row[n_keys:]))
        for value, numbers in sums.items():
            counts = counts_by_key.get(value)
            if counts is None:
                counts_by_key[value] = Counts(**dict(zip(block.counts, numbers, strict=True)))
                continue
            for name, n in zip(block.counts, numbers, strict=True):
                setattr(counts, name, getattr(counts, name) + n)
    return counts_by_key
