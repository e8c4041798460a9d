"""Sums over installs of squares and products, which outlive the raw rows; and what else is kept by install."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import product
from typing import Any
from uuid import UUID

import numpy as np
from sqlalchemy import Table, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.filters import Selection, consecutive_spans
from backend.acceptance.rollups import ROLLUPS, days_of_month, read_rollup
from backend.acceptance.tables import DAILY_INSTALL, DAILY_WRITERS, MONTHLY_WRITERS, RolledUpDay
from backend.acceptance.writer_counts import SPLIT_KEYS, fetch_install_counts, format_sums
from backend.acceptance.writers import INSTALL_COUNTS, InstallCounts


async def write_daily_writers(session: AsyncSession, days: Sequence[date]) -> None:
    """Replace the sums over installs of some days, whose sums by install have been written."""
    await _write_writers(session, DAILY_WRITERS, "day", {day: [day] for day in days})


async def write_monthly_writers(session: AsyncSession, month: date) -> None:
    """Replace the sums over installs of a month, unless sums by install of some of its days are gone."""
    days = days_of_month(month)
    final = select(RolledUpDay.day).where(RolledUpDay.day.between(days[0], days[-1]), RolledUpDay.final)
    if await session.scalar(select(final.exists())):
        return
    await _write_writers(session, MONTHLY_WRITERS, "month", {month: days})


async def _write_writers(session: AsyncSession, table: Table, unit: str, days_by_unit: dict[date, list[date]]) -> None:
    await session.execute(delete(table).where(table.c[unit].in_(days_by_unit)))
    rows: list[dict[str, Any]] = []
    for moment, days in days_by_unit.items():
        selection = Selection(consecutive_spans(days))
        statement = read_rollup(ROLLUPS["install"], ("kind", *SPLIT_KEYS, "install_id"), selection, INSTALL_COUNTS)
        installs = await fetch_install_counts(session, statement, ("kind", *SPLIT_KEYS))
        rows += [{unit: moment, **row} for row in _sum_every_way(installs)]
    if rows:
        await session.execute(insert(table), rows)


def _sum_every_way(installs: InstallCounts) -> Iterator[dict[str, Any]]:
    """Yield the sums of each kind of draft by every value of the other keys, and by all values together."""
    values = {name: np.array(keys, dtype=object) for name, keys in installs.keys.items()}
    for kind in sorted(set(installs.keys["kind"]), key=str):
        for by in product((False, True), repeat=len(SPLIT_KEYS)):
            names = [name for name, chosen in zip(SPLIT_KEYS, by, strict=True) if chosen]
            chosen = values["kind"] == kind
            counts = {name: numbers[chosen] for name, numbers in installs.counts.items()}
            labels = list(zip(*(values[name][chosen] for name in names), strict=True)) or [()] * int(chosen.sum())
            part = InstallCounts(installs.installs[chosen], {"label": labels}, counts)
            for label, writers in part.group_by("label").items():
                yield {
                    "kind": kind,
                    **dict.fromkeys(SPLIT_KEYS),
                    **dict(zip(names, label, strict=True)),  # type: ignore[call-overload]
                    "sums": format_sums(writers),
                }


async def reassign_install_sums(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Replace an install's id in its daily sums; return how many there were.

    To be called before the raw rows are changed: it waits for a refresh that has read the old id.
    """
    table = DAILY_INSTALL
    result = await session.execute(
        update(table).where(table.c.install_id == install_id).values(install_id=anonymous_id).returning(table.c.day)
    )
    days = set(result.scalars())
    # Who keeps in memory what installs did sees by the moment that it has changed.
    await session.execute(update(RolledUpDay).where(RolledUpDay.day.in_(days)).values(summed_at=func.now()))
    return len(days)


async def export_install_sums(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return an install's daily sums."""
    table = DAILY_INSTALL
    rows = await session.execute(select(table).where(table.c.install_id == install_id).order_by(table.c.day))
    return [dict(row) for row in rows.mappings()]
