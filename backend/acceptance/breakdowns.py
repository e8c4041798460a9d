"""Breakdowns of counts by day, model version, site, position, length and score, from the rows of the statements."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from operator import add
from typing import Any, TypeVar

from backend.acceptance.figures import Counts, add_counts
from backend.acceptance.filters import ORIGINS, Filters
from backend.acceptance.queries.grouping import Key
from backend.acceptance.writer_counts import NO_WRITERS, PeriodWriters
from backend.acceptance.writers import TAG_PAIRS, InstallCounts, Writers

K = TypeVar("K")


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
        writers: the writers behind the counts; None where they are not known.
    """

    items: Sequence[Block]
    drafts: Sequence[Block]
    has_vocabulary: bool
    writers: PeriodWriters | None = None

    def overview(self) -> Counts:
        """Return the sum of everything."""
        counts = add_counts(self._by("model_version").values())
        counts.writers = None if self.writers is None else self.writers.overall()
        return counts

    def by_day(self, filters: Filters) -> dict[date, Counts]:
        """Return the counts of every day of the span, in order, empty ones included."""
        counts = self._by("day")
        counts = {day: counts.get(day, Counts()) for day in filters.days}
        return counts if self.writers is None else name_writers(counts, self.writers.by_day)

    def by_model_version(self) -> dict[str, Counts]:
        """Return the counts of every model version in the span, by name."""
        counts = dict(sorted(self._by("model_version").items()))
        return counts if self.writers is None else name_writers(counts, self.writers.group_by("model_version"))

    def by_site(self) -> dict[str, Counts]:
        """Return the counts of every site in the span, by name."""
        counts = dict(sorted(self._by("site").items()))
        return counts if self.writers is None else name_writers(counts, self.writers.group_by("site"))

    def by_origin(self) -> dict[str, Counts]:
        """Return the counts of answers of the service and of the device, where there are any."""
        counts = self._by("origin")
        counts = {origin: counts[origin] for origin in ORIGINS if origin in counts}
        return counts if self.writers is None else name_writers(counts, self.writers.group_by("origin"))

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
    """Counts of viewed items by properties of the answer that offered them.

    Attributes:
        items: rows of the statements that count items.
        writers: what each writer did of each item; None where that is not known.
    """

    items: Sequence[Block]
    writers: InstallCounts | None = None

    def by_length(self) -> dict[int, Counts]:
        """Return the counts by band of the body's length (``LENGTH_BANDS``); band 0 is without a body."""
        return name_item_writers(dict(sorted(sum_blocks(self.items, "length").items())), self.writers, "length")

    def by_score(self) -> dict[int, Counts]:
        """Return the counts by band of the score, from 0."""
        return name_item_writers(dict(sorted(sum_blocks(self.items, "score").items())), self.writers, "score")


@dataclass(frozen=True, slots=True)
class Breakdowns:
    """All the breakdowns of one page; ``tags`` as `backend.acceptance.counts.count_tags` returns them.

    ``item_writers`` is what each writer did of each item; None where that is not known.
    """

    grid: Grid
    offers: Offers
    tags: dict[str, Counts]
    item_writers: InstallCounts | None


def name_item_writers(counts_by_key: dict[K, Counts], writers: InstallCounts | None, key: Key) -> dict[K, Counts]:
    """Note in each count who the writers behind its items are, where that is known; return the same counts."""
    return counts_by_key if writers is None else name_writers(counts_by_key, writers.group_by(key, TAG_PAIRS))


def name_writers(counts_by_key: dict[K, Counts], writers_by_key: Mapping[Any, Writers]) -> dict[K, Counts]:
    """Note in each count who the writers behind it are; return the same counts."""
    for key, counts in counts_by_key.items():
        counts.writers = writers_by_key.get(key, NO_WRITERS)
    return counts_by_key


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
