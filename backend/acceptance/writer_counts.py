"""Counting what each install did in a period: from its daily sums, live, and nameless where the raw rows are gone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from sqlalchemy import Table, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.clusters import Pair, WriterSums
from backend.acceptance.filters import Filters, consecutive_spans
from backend.acceptance.queries.grouping import DRAFT_KEYS, Grouping, Key, Rows
from backend.acceptance.queries.items import ITEM_KEYS, list_posted_items, list_viewed_items
from backend.acceptance.queries.posted import list_posted_tags
from backend.acceptance.rollups import ROLLUPS, DaySplit, compute_rollup, days_of_month, read_rollup, split_days
from backend.acceptance.tables import DAILY_WRITERS, MONTHLY_WRITERS, RolledUpDay
from backend.acceptance.writers import INSTALL_COUNTS, PAIRS, InstallCounts, Writers, join_counts

SPLIT_KEYS: Grouping = tuple(key for key in DRAFT_KEYS if key not in ("day", "kind"))
"""What sums by install are split by, days and kinds of drafts apart, which are never mixed."""

NOBODY = WriterSums(0, *(0.0,) * 9)
NO_WRITERS = Writers(dict.fromkeys(PAIRS, NOBODY))

MAX_ITEMS = 50_000
"""More items than these are not looked at one by one for the intervals of tags, positions and the like."""

Values = tuple[str | None, ...]
"""A value of each of ``SPLIT_KEYS``; None: all values together."""


@dataclass(frozen=True, slots=True)
class PeriodWriters:
    """The writers of a period.

    Attributes:
        filters: what is counted.
        installs: those known one by one, by each of ``SPLIT_KEYS``.
        by_day: writers of each day.
        nameless: of months (or days) whose raw rows are gone, by the same keys.
    """

    filters: Filters
    installs: InstallCounts
    by_day: Mapping[date, Writers]
    nameless: Mapping[Values, Writers]

    def overall(self) -> Writers:
        """Return the writers of everything."""
        known = self.installs.group_by(None)[None]
        nameless = self.nameless.get(_filter_values(self.filters))
        return known if nameless is None else known + nameless

    def group_by(self, key: Key) -> dict[str, Writers]:
        """Return the writers of each value of one of ``SPLIT_KEYS``."""
        rows = {str(value): row for value, row in self.installs.group_by(key).items()}
        place, wanted = SPLIT_KEYS.index(key), _filter_values(self.filters)
        for values, row in self.nameless.items():
            value = values[place]
            if value is not None and (*values[:place], wanted[place], *values[place + 1 :]) == wanted:
                rows[value] = rows[value] + row if value in rows else row
        return rows


def _filter_values(filters: Filters) -> Values:
    return tuple(getattr(filters, key) for key in SPLIT_KEYS)


async def count_writers(
    session: AsyncSession, filters: Filters, now: datetime, days: DaySplit | None = None
) -> PeriodWriters | None:
    """Count what each install did in the selected drafts.

    Args:
        session: in a snapshot.
        filters: which items and drafts.
        now: the moment by which something is still open.
        days: as `split_days` returns them for these filters; None: not known yet.

    Returns:
        None while days of an older version wait to be rolled up by install.
    """
    days = await split_days(session, filters, now) if days is None else days
    closed = {day for span in days.rolled_up.spans for day in span.days} if days.rolled_up else set()
    kept = await session.execute(
        select(RolledUpDay.day, RolledUpDay.final, RolledUpDay.by_install).where(RolledUpDay.day.in_(sorted(closed)))
    )
    rows = kept.all()
    if not all(row.by_install for row in rows):
        return None
    installs, by_day = await _count_live_days(session, days, now)
    nameless: dict[Values, Writers] = {}
    if days.rolled_up:
        by_day |= await _read_days(session, filters, sorted(closed))
        final = {row.day for row in rows if row.final}
        if final:
            nameless = await _read_nameless(session, filters, final)
        if closed - final:
            selection = replace(days.rolled_up, spans=consecutive_spans(closed - final))
            statement = read_rollup(ROLLUPS["install"], (*SPLIT_KEYS, "install_id"), selection, INSTALL_COUNTS)
            installs = join_counts([installs, await fetch_install_counts(session, statement, SPLIT_KEYS)])
    return PeriodWriters(filters, installs, by_day, nameless)


async def count_item_writers(session: AsyncSession, filters: Filters, n_items: int) -> InstallCounts | None:
    """Return what each install did of each tag, position, order, length and band of scores, from the raw rows.

    Args:
        session: in a snapshot.
        filters: which items.
        n_items: how many items were viewed in the period.

    Returns:
        None where there are too many items to look at one by one, or the raw rows of a day are gone.
    """
    final = select(RolledUpDay.day).where(RolledUpDay.day.between(filters.since, filters.until), RolledUpDay.final)
    if n_items > MAX_ITEMS or await session.scalar(select(final.exists())):
        return None
    selection = filters.selection
    parts = [
        await fetch_install_counts(
            session, list_viewed_items(selection), ITEM_KEYS, ("viewed", "accepted", "dismissed")
        ),
        await fetch_install_counts(
            session, list_posted_items(selection), ITEM_KEYS, ("posted_viewed", "kept", "agreed")
        ),
        await fetch_install_counts(session, list_posted_tags(selection), ("tag",), ("posted_tags", "missed_tags")),
    ]
    return join_counts(parts)


async def fetch_install_counts(
    session: AsyncSession, statement: Rows, keys: Sequence[str], counts: Sequence[str] = INSTALL_COUNTS
) -> InstallCounts:
    """Run a statement with a column ``install_id``, the keys, and counts.

    Columns come as arrays, in one row: the driver takes ten times as long over as many rows.
    """
    rows = statement.subquery()
    names = [*(key for key in keys if key != "install_id"), *counts]
    columns = [func.uuid_hash_extended(rows.c.install_id, 0), *(rows.c[name] for name in names)]
    (installs, *others) = (await session.execute(select(*map(func.array_agg, columns)))).one()
    values: dict[str, list[Any]] = dict(zip(names, (column or [] for column in others), strict=True))
    return InstallCounts(
        np.array(installs or [], dtype=np.int64),
        {name: values[name] for name in names if name not in counts},
        {name: np.array(values[name], dtype=np.float64) for name in counts},
    )


async def _count_live_days(
    session: AsyncSession, days: DaySplit, now: datetime
) -> tuple[InstallCounts, dict[date, Writers]]:
    """Return what installs did on the days that are counted live, and the writers of each of them."""
    if not days.live:
        return join_counts([], SPLIT_KEYS, INSTALL_COUNTS), {}
    statement = compute_rollup(ROLLUPS["install"], days.live, now)
    installs = await fetch_install_counts(session, statement, ("day", *SPLIT_KEYS))
    return installs, {day: row for day, row in installs.group_by("day").items() if isinstance(day, date)}


async def _read_days(session: AsyncSession, filters: Filters, days: Sequence[date]) -> dict[date, Writers]:
    """Return the writers of each rolled-up day."""
    table = DAILY_WRITERS.c
    statement = select(table.day, table.sums).where(
        table.day.in_(days),
        table.kind == filters.kind,
        *(table[key].is_not_distinct_from(getattr(filters, key)) for key in SPLIT_KEYS),
    )
    return {row.day: parse_sums(row.sums) for row in await session.execute(statement)}


async def _read_nameless(session: AsyncSession, filters: Filters, days: set[date]) -> dict[Values, Writers]:
    """Return the writers of days whose raw rows are gone: by whole months where they are whole, else by day."""
    months = [month for month in {day.replace(day=1) for day in days} if days.issuperset(days_of_month(month))]
    remaining = days.difference(*map(days_of_month, months))
    blocks: dict[Values, list[Writers]] = {}
    for table, name, moments in ((MONTHLY_WRITERS, "month", set(months)), (DAILY_WRITERS, "day", remaining)):
        for key, row in await _read_blocks(session, filters, table, name, moments):
            blocks.setdefault(key, []).append(row)
    return {key: reduce(add, rows) for key, rows in blocks.items()}


async def _read_blocks(
    session: AsyncSession, filters: Filters, table: Table, name: str, moments: set[date]
) -> list[tuple[Values, Writers]]:
    if not moments:
        return []
    conditions = [table.c[name].in_(sorted(moments)), table.c.kind == filters.kind]
    columns = [table.c[key] for key in SPLIT_KEYS]
    for column, value in zip(columns, _filter_values(filters), strict=True):
        if value is not None:
            conditions.append(or_(column.is_(None), column == value))
    rows = await session.execute(select(*columns, table.c.sums).where(*conditions))
    return [(tuple(values), parse_sums(sums, months=1)) for *values, sums in rows]


def format_sums(writers: Writers) -> dict[str, list[float]]:
    """Return the sums over writers as they are stored; pairs without any writer are left out."""
    return {
        f"{x}/{n}": [sums.writers, sums.x, sums.n, sums.xx, sums.xn, sums.n2, sums.n3, sums.n4, sums.n5]
        for (x, n), sums in writers.sums.items()
        if sums.writers
    }


def parse_sums(stored: Mapping[str, Sequence[float]], months: int = 0) -> Writers:
    """Return the sums that `format_sums` made, of as many months of unknown writers."""

    def parse(pair: Pair) -> WriterSums:
        numbers = stored.get("/".join(pair))
        if numbers is None:
            return NOBODY
        writers, x, n, xx, xn, n2, n3, n4, n5 = numbers
        return WriterSums(int(writers), x, n, x, xx, xn, n2, n3, n4, n5, months)

    return Writers({pair: parse(pair) for pair in PAIRS})
