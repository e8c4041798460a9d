"""Running the statements: the transaction they run in, and the rows of live days and of rolled-up ones together."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.breakdowns import Block
from backend.acceptance.queries.grouping import Key, Rows
from backend.acceptance.rollups import ROLLUPS, DaySplit, compute_rollup, read_rollup

KEYS = frozenset((*get_args(Key), "grouping"))

# Estimates for a grown table make PostgreSQL compile these statements, which costs more than it saves. A generic plan
# for any span of time would read all rows. Tens of thousands of a period's tags are grouped in memory, not in files.
# Today's drafts are a few in a thousand of all: with the costs of a spinning disk, PostgreSQL would rather read all.
COUNTING_SETTINGS = text(
    "SELECT set_config('jit', 'off', true), set_config('plan_cache_mode', 'force_custom_plan', true), "
    "set_config('work_mem', '32MB', true), set_config('random_page_cost', '1.1', true)"
)


async def begin_snapshot(session: AsyncSession) -> None:
    """Run all queries of a transaction that has not begun on one snapshot, so that figures agree."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
    await tune_for_counting(session)


async def tune_for_counting(session: AsyncSession) -> None:
    """Set up a transaction for statements that count many rows."""
    await session.execute(COUNTING_SETTINGS)


async def fetch_block(session: AsyncSession, statement: Rows) -> Block:
    """Run a statement whose keys come before its counts."""
    result = await session.execute(statement)
    names = tuple(result.keys())
    keys = tuple(name for name in names if name in KEYS)
    return Block(keys, names[len(keys) :], result.all())


async def fetch_rows(session: AsyncSession, statement: Rows) -> list[dict[str, Any]]:
    """Run a statement and return its rows by column name."""
    result = await session.execute(statement)
    names = list(result.keys())
    return [dict(zip(names, row, strict=True)) for row in result]


async def fetch_rollup(
    session: AsyncSession, days: DaySplit, name: str, by: Sequence[str], now: datetime
) -> list[dict[str, Any]]:
    """Return a rollup's rows by some of its keys, those of live days computed now; keys may repeat."""
    rows = []
    if days.live:
        rows += await fetch_rows(session, compute_rollup(ROLLUPS[name], days.live, now))
    if days.rolled_up:
        rows += await fetch_rows(session, read_rollup(ROLLUPS[name], by, days.rolled_up))
    return rows
