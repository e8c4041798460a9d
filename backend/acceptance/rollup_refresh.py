"""Refreshing the daily rollups in the background, making them final, and comparing them with the raw rows."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from math import isclose
from typing import Any

from sqlalchemy import (
    Date,
    RowMapping,
    Select,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.filters import Selection, Span, consecutive_spans
from backend.acceptance.rollups import (
    ROLLUPS,
    compute_rollup,
    days_of_month,
    first_day,
    last_closed_day,
    read_rollup,
    select_valid_days,
)
from backend.acceptance.tables import DAILY_INSTALL, DAILY_TAG, MISSED_TAG, MONTHLY_TAG, ChangedDay, RolledUpDay
from backend.acceptance.writer_rollups import write_daily_writers, write_monthly_writers
from backend.counters.skipped import RETRY_AFTER, Job, list_skipped, work_through
from backend.postgres.database import Conflict, Database
from backend.postgres.locks import AdvisoryLock, try_lock

REFRESH_EVERY = 60.0

# How long a transaction that rolls days up should take, in seconds, and how many days it may take at once.
TARGET_SECONDS, MAX_DAYS = 1.0, 64

# A comparison with the raw rows takes this many days at once.
DAYS_PER_COMPARISON = 8

END_OF_TIME = datetime.max.replace(tzinfo=UTC)

JOB: Job = "sum up"


async def roll_up_days(database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Roll up the days that are due, the latest first, a few in each transaction, and return how many.

    Of several replicas at once, one does the work.
    """
    done, batch_size = 0, 1
    while True:
        started, moment = time.perf_counter(), now()
        try:
            days = await _list_due_days(database, moment, batch_size)
            done += len(await work_through(database, JOB, days, partial(_refresh_days, now=moment)))
        except Conflict:
            # Another replica has finished the same days just after we looked, or does so now.
            return done
        if len(days) < batch_size:
            return done
        seconds = time.perf_counter() - started
        batch_size = max(1, min(MAX_DAYS, int(batch_size * TARGET_SECONDS / seconds)))


async def _list_due_days(database: Database, now: datetime, limit: int) -> list[date]:
    async with database.session(within=60) as session:
        await _begin_refresh(session)
        # A mark means nothing where there is no rollup, or a final one: whoever rolls the day up later sees all of it.
        needed = exists().where(RolledUpDay.day == ChangedDay.day, ~RolledUpDay.final)
        await session.execute(delete(ChangedDay).where(~needed))
        return list(await session.scalars(await _select_due_days(session, now, limit)))


async def _refresh_days(session: AsyncSession, days: Sequence[date], now: datetime) -> None:
    await _begin_refresh(session)
    await session.execute(delete(ChangedDay).where(ChangedDay.day.in_(days)))
    await write_rollups(session, days, now)


async def _begin_refresh(session: AsyncSession) -> None:
    """Make this the only transaction that takes marks, in one snapshot with the rows that they stand for."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    # Before the snapshot: an erasure that commits first is seen, and one that comes later sees what is written here.
    await session.execute(text("LOCK TABLE daily_install IN SHARE ROW EXCLUSIVE MODE"))
    if not await try_lock(session, AdvisoryLock.ROLL_UP):
        raise Conflict("another replica rolls days up")


async def _select_due_days(session: AsyncSession, now: datetime, limit: int) -> Select[date]:
    """Select the latest days to be rolled up: closed, and not rolled up yet or changed since."""
    last = last_closed_day(now)
    first = await first_day(session) or last
    days = func.generate_series(first, last, timedelta(days=1)).table_valued("moment", name="days").render_derived()
    day = cast(days.c.moment, Date)
    changed = exists().where(ChangedDay.day == RolledUpDay.day)
    lately_failed = await list_skipped_days(session, now - RETRY_AFTER)
    return (
        select(day.label("day"))
        .select_from(days)
        .outerjoin(RolledUpDay, RolledUpDay.day == day)
        .where(
            or_(RolledUpDay.day.is_(None), and_(~RolledUpDay.final, or_(changed, ~RolledUpDay.by_install))),
            day.not_in(lately_failed),
        )
        .order_by(day.desc())
        .limit(limit)
    )


async def list_skipped_days(session: AsyncSession, since: datetime | None = None) -> list[date]:
    """Return the days that could not be rolled up; with ``since``, those that were tried after that."""
    return [date.fromisoformat(subject) for subject in await list_skipped(session, JOB, since)]


async def write_rollups(session: AsyncSession, days: Sequence[date], now: datetime) -> None:
    """Replace the rollups of some days."""
    selection = Selection(consecutive_spans(days))
    for rollup in ROLLUPS.values():
        columns = [column.name for column in (*rollup.keys, *rollup.counts)]
        await session.execute(delete(rollup.table).where(rollup.table.c.day.in_(days)))
        await session.execute(insert(rollup.table).from_select(columns, compute_rollup(rollup, selection, now)))
    await write_daily_writers(session, days)
    missed = select(DAILY_TAG.c.tag).distinct().where(DAILY_TAG.c.day.in_(days), DAILY_TAG.c.missed_tags > 0)
    await session.execute(upsert(MISSED_TAG).from_select(["tag"], missed).on_conflict_do_nothing())
    rows = upsert(RolledUpDay).values(
        [{"day": day, "summed_at": now, "final": False, "by_install": True} for day in days]
    )
    await session.execute(
        rows.on_conflict_do_update(index_elements=["day"], set_={"summed_at": now, "by_install": True})
    )
    for month in {day.replace(day=1) for day in days}:
        await _write_month(session, month)


async def _write_month(session: AsyncSession, month: date) -> None:
    """Add up the tags of a month's days if all of them are rolled up; until then the days are read."""
    days = days_of_month(month)
    await session.execute(delete(MONTHLY_TAG).where(MONTHLY_TAG.c.month == month))
    n_days = await session.scalar(select(func.count()).where(RolledUpDay.day.between(days[0], days[-1])))
    if n_days == len(days):
        keys = [key.name for key in ROLLUPS["tag"].keys if key.name != "day"]
        counts = [count.name for count in ROLLUPS["tag"].counts]
        sums = read_rollup(ROLLUPS["tag"], keys, Selection((Span(days[0], days[-1]),)))
        sums = sums.add_columns(literal(month).label("month"))
        await session.execute(insert(MONTHLY_TAG).from_select([*keys, *counts, "month"], sums))
        await write_monthly_writers(session, month)


async def finish_days(session: AsyncSession, before: date) -> list[date] | None:
    """Make the rollups of all earlier days final, except days that could not be rolled up; return those.

    Returns:
        None if some days have not been tried yet; then nothing is made final.
    """
    first = await first_day(session)
    if first is None or first >= before:
        return []
    valid = set(await session.scalars(select_valid_days(first, before - timedelta(days=1), END_OF_TIME)))
    failed = [day for day in await list_skipped_days(session) if first <= day < before and day not in valid]
    if len(valid) + len(failed) != (before - first).days:
        return None
    await session.execute(update(RolledUpDay).where(RolledUpDay.day.in_(valid), ~RolledUpDay.final).values(final=True))
    await session.execute(delete(DAILY_INSTALL).where(DAILY_INSTALL.c.day.in_(valid)))
    return failed


@dataclass(frozen=True, slots=True)
class RollupComparison:
    """How the rollups differ from what the raw rows add up to.

    Attributes:
        days: number of days compared.
        differing: days with any figure that differs.
        changed: days that wait to be rolled up again, and are counted live meanwhile.
        final: days whose raw rows were deleted for their age.
    """

    days: int
    differing: list[date]
    changed: int
    final: int


async def compare_rollups(session: AsyncSession, now: datetime) -> RollupComparison:
    """Count every rolled-up day again and compare; nothing is changed."""
    # Days that an older version rolled up, not by install, wait to be rolled up again, too.
    unchanged = and_(RolledUpDay.by_install, ~exists().where(ChangedDay.day == RolledUpDay.day))
    days = list(
        await session.scalars(select(RolledUpDay.day).where(~RolledUpDay.final, unchanged).order_by(RolledUpDay.day))
    )
    differing = []
    for start in range(0, len(days), DAYS_PER_COMPARISON):
        differing += await _list_differing_days(session, days[start : start + DAYS_PER_COMPARISON], now)
    final = await session.scalar(select(func.count()).where(RolledUpDay.final))
    not_final = await session.scalar(select(func.count()).where(~RolledUpDay.final))
    return RollupComparison(len(days), differing, (not_final or 0) - len(days), final or 0)


async def _list_differing_days(session: AsyncSession, days: Sequence[date], now: datetime) -> list[date]:
    selection = Selection(consecutive_spans(days))
    differing: set[date] = set()
    for rollup in ROLLUPS.values():
        names = [key.name for key in rollup.keys]
        stored = _counts_by_key(names, (await session.execute(read_rollup(rollup, names, selection))).mappings())
        expected = _counts_by_key(names, (await session.execute(compute_rollup(rollup, selection, now))).mappings())
        differing |= {key[0] for key in stored.keys() ^ expected.keys()}
        # Sums of fractions depend on their order, in the last digits.
        for key in stored.keys() & expected.keys():
            if not all(isclose(a, b, abs_tol=1e-6) for a, b in zip(stored[key], expected[key], strict=True)):
                differing.add(key[0])
    return sorted(differing)


def _counts_by_key(names: Sequence[str], rows: Iterable[RowMapping]) -> dict[tuple[Any, ...], list[float]]:
    """Return the rows' counts by their keys, of which the day is the first."""
    return {
        tuple(row[name] for name in names): [value for name, value in row.items() if name not in names] for row in rows
    }
