"""Faults of bookkeeping: events lost and refused, impossible items, and what could not be recorded."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.filters import Filters
from backend.acceptance.queries.events import select_totals
from backend.acceptance.queries.items import select_impossible_items
from backend.acceptance.rollups import ROLLUPS, DaySplit, read_rollup, split_days
from backend.acceptance.statements import fetch_rollup, fetch_rows


@dataclass(frozen=True, slots=True)
class Bookkeeping:
    """Faults of bookkeeping, and what is counted without a row of its own.

    Attributes:
        impossible: items of drafts begun in the span whose order of events no writer can produce.
        received: distinct events received, refused ones included.
        lost: events that installs numbered and that were never received.
        refused: refused events by reason.
        totals: other counts of the span by name.
    """

    impossible: int
    received: int
    lost: int
    refused: dict[str, int]
    totals: dict[str, int]


async def count_bookkeeping(session: AsyncSession, filters: Filters, now: datetime) -> Bookkeeping:
    """Count what went wrong in counting, and what could not be recorded."""
    days = await split_days(session, filters, now)
    received, lost = 0, 0
    refused: Counter[str] = Counter()
    for row in await fetch_rollup(session, days, "event", ("demo", "reason"), now):
        if row["demo"] == (filters.kind == "demo"):
            received, lost = received + row["received"], lost + row["lost"]
            if row["reason"] is not None:
                refused[row["reason"]] += row["refused"]
    totals = (await session.execute(select_totals(filters.since, filters.until))).all()
    return Bookkeeping(
        impossible=await _count_impossible_items(session, days),
        received=received,
        lost=lost,
        refused=dict(sorted(refused.items())),
        totals={row.name: row.n for row in totals},
    )


async def _count_impossible_items(session: AsyncSession, days: DaySplit) -> int:
    rows = []
    if days.live:
        rows += await fetch_rows(session, select_impossible_items(("day",), days.live))
    if days.rolled_up:
        rows += await fetch_rows(session, read_rollup(ROLLUPS["item"], ("day",), days.rolled_up, ("impossible",)))
    return sum(row["impossible"] for row in rows)
