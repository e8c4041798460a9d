"""Daily sums: made of the very statements that count live, kept right by marks of the days that changed.

A day is summed up some hours after its end. What changes it later (a draft posted the next day, a late event, demo
traffic taken out) marks it in the same transaction, by triggers of the database; until the background has summed it up
anew, the day is counted live. So figures are exact at every moment.
"""

import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from math import isclose
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    Integer,
    Label,
    RowMapping,
    Select,
    Table,
    and_,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    true,
    union_all,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from backend.acceptance import queries
from backend.acceptance.filters import Filters, Selection, Span, spans_of
from backend.acceptance.queries import OF_DRAFT, Rows
from backend.acceptance.tables import (
    COUNT,
    DAILY_DRAFT,
    DAILY_EVENT,
    DAILY_ITEM,
    DAILY_LATENCY,
    DAILY_OFFER,
    DAILY_TAG,
    MISSED_TAG,
    MONTHLY_TAG,
    ChangedDay,
    SummedDay,
)
from backend.counters.skipped import TRY_AGAIN_AFTER, list_skipped, work_through
from backend.drafts.tables import Draft
from backend.feedback.tables import Refused
from backend.postgres.base import day_of
from backend.postgres.database import Conflict, Database
from backend.postgres.locks import AdvisoryLock, try_lock

SUM_EVERY = 60.0

# How long a transaction that sums days up shall take, and how many days it may take at once. Seconds.
AIM, MOST_DAYS = 1.0, 64

# A recount compares so many days at once.
COMPARED_AT_ONCE = 8

FOR_EVER = datetime.max.replace(tzinfo=UTC)

# A day is summed up when every transaction has ended that found it too young for a note (migration 0006: until one hour
# after its end; the longest may take another hour). By then no view of it is open any more; its open drafts are counted
# live, whatever the sums say.
CLOSED_AFTER = timedelta(days=1, hours=3)


@dataclass(frozen=True, slots=True)
class Sums:
    """A table of daily sums, and the live statements that it holds the rows of."""

    table: Table
    statements: Callable[[Selection, datetime], Sequence[Rows]]

    @property
    def counts(self) -> list[Column[Any]]:
        """The columns that are added up."""
        return [column for column in self.table.c if COUNT in column.info]

    @property
    def keys(self) -> list[Column[Any]]:
        """The other columns."""
        return [column for column in self.table.c if COUNT not in column.info]


SUMS = {
    "item": Sums(
        DAILY_ITEM,
        lambda chosen, now: (
            queries.viewed_items([(*OF_DRAFT, "position", "order")], chosen, now),
            queries.posted_items([(*OF_DRAFT, "position", "order")], chosen),
            queries.impossible_items((*OF_DRAFT, "position", "order"), chosen),
        ),
    ),
    "offer": Sums(
        DAILY_OFFER,
        lambda chosen, now: (
            queries.viewed_items([(*OF_DRAFT, "length", "score")], chosen, now),
            queries.posted_items([(*OF_DRAFT, "length", "score")], chosen),
        ),
    ),
    "tag": Sums(
        DAILY_TAG,
        lambda chosen, now: (
            queries.viewed_items([(*OF_DRAFT, "tag")], chosen, now),
            queries.posted_items([(*OF_DRAFT, "tag")], chosen),
            queries.posted_tags([(*OF_DRAFT, "tag")], chosen),
        ),
    ),
    "draft": Sums(
        DAILY_DRAFT,
        lambda chosen, now: (
            queries.viewed_drafts(chosen, now),
            queries.answered_drafts(chosen),
            queries.posted_drafts(chosen),
        ),
    ),
    "latency": Sums(DAILY_LATENCY, lambda chosen, now: (queries.latencies(chosen),)),
    "event": Sums(DAILY_EVENT, lambda chosen, now: (queries.numbered_events(chosen), queries.refused_events(chosen))),
}


def counted(sums: Sums, chosen: Selection, now: datetime) -> Rows:
    """The rows that a table of sums should hold, counted from the raw rows."""
    parts = []
    for statement in sums.statements(chosen, now):
        found = statement.subquery()
        keys = [
            (found.c[key.name] if key.name in found.c else cast(null(), key.type)).label(key.name) for key in sums.keys
        ]
        counts = [
            (found.c[count.name] if count.name in found.c else literal(0)).label(count.name) for count in sums.counts
        ]
        parts.append(select(*keys, *counts))
    rows = union_all(*parts).subquery()
    by = [rows.c[key.name] for key in sums.keys]
    return select(
        *by, *(cast(func.sum(rows.c[count.name]), added_type(count)).label(count.name) for count in sums.counts)
    ).group_by(*by)


def kept(sums: Sums, by: Sequence[str], chosen: Selection, counts: Sequence[str] | None = None) -> Rows:
    """Sums of the chosen days, added up by some of the keys; where only some counts are asked for, without zeros."""
    table = sums.table
    keys = [table.c[name] for name in by]
    names = [count.name for count in sums.counts] if counts is None else counts
    statement = select(*keys, *_added(table, names)).where(*_chosen(table, chosen)).group_by(*keys)
    if counts is not None:
        statement = statement.where(or_(*(table.c[name] != 0 for name in counts)))
    return statement


def _added(table: Table, names: Sequence[str]) -> list[Label[Any]]:
    return [cast(func.sum(table.c[name]), added_type(table.c[name])).label(name) for name in names]


def added_type(count: Column[Any]) -> TypeEngine[Any]:
    """What a count is once it is added up: whole numbers of a day are small, their sums need not be."""
    return BigInteger() if isinstance(count.type, Integer) else count.type


def _chosen(table: Table, chosen: Selection) -> list[ColumnElement[bool]]:
    days = or_(*(table.c.day.between(span.since, span.until) for span in chosen.spans))
    return [days, *_selected(table, chosen)]


def _selected(table: Table, chosen: Selection) -> list[ColumnElement[bool]]:
    asked = {name: getattr(chosen, name) for name in ("kind", "site", "model_version") if name in table.c}
    return [table.c[name] == value for name, value in asked.items() if value is not None]


def unknown_tags(by: Sequence[str], chosen: Selection, vocabulary: Collection[str]) -> Rows:
    """Missed tags of the chosen days that are not in a vocabulary."""
    known, table = queries.words(vocabulary), DAILY_TAG
    unknown = (
        select(MISSED_TAG.c.tag)
        .outerjoin(known, known.c.word == MISSED_TAG.c.tag)
        .where(known.c.word.is_(None))
        .cte("unknown")
    )
    # Tag by tag: how few are unknown the database cannot foresee, and it would read every missed tag of every day.
    missed = (
        select(*(table.c[name] for name in by), *_added(table, ["missed_tags"]))
        .where(table.c.tag == unknown.c.tag, table.c.missed_tags > 0, *_chosen(table, chosen))
        .group_by(*(table.c[name] for name in by))
        .lateral("missed")
    )
    keys = [missed.c[name] for name in by]
    return (
        select(*keys, cast(func.sum(missed.c.missed_tags), BigInteger).label("unknown_tags"))
        .select_from(unknown)
        .join(missed, true())
        .group_by(*keys)
    )


def kept_tags(chosen: Selection) -> list[Rows]:
    """Sums of the chosen days by tag: of whole months, and of the days that are left."""
    days = {day for span in chosen.spans for day in span.days}
    months = [month for month in {day.replace(day=1) for day in days} if days.issuperset(days_of_month(month))]
    left = days.difference(*(days_of_month(month) for month in months))
    statements = []
    if left:
        statements.append(kept(SUMS["tag"], ("tag",), replace(chosen, spans=spans_of(left))))
    if months:
        table = MONTHLY_TAG
        statements.append(
            select(table.c.tag, *_added(table, [count.name for count in SUMS["tag"].counts]))
            .where(table.c.month.in_(sorted(months)), *_selected(table, chosen))
            .group_by(table.c.tag)
        )
    return statements


@dataclass(frozen=True, slots=True)
class Halves:
    """A selection of days, told apart by how they are counted; None: there is no such day."""

    summed: Selection | None
    live: Selection | None


async def halves(session: AsyncSession, filters: Filters, now: datetime, *, every_kind: bool = False) -> Halves:
    """Which of the days asked for are counted from sums, and which live; ``every_kind``: of all kinds of drafts."""
    chosen = filters.selection
    # Sums know nothing of arms.
    summed = set(await session.scalars(_holding(filters.since, filters.until, now))) if chosen.arm is None else set()
    kind = None if every_kind else chosen.kind

    def part(days: Sequence[date]) -> Selection | None:
        return replace(chosen, spans=spans_of(days), kind=kind) if days else None

    days = filters.days
    return Halves(part([day for day in days if day in summed]), part([day for day in days if day not in summed]))


def _holding(since: date, until: date, now: datetime) -> Select[date]:
    """Days whose sums hold."""
    changed = exists().where(ChangedDay.day == SummedDay.day)
    return select(SummedDay.day).where(
        SummedDay.day.between(since, until), or_(SummedDay.final, and_(SummedDay.day <= closed(now), ~changed))
    )


def closed(now: datetime) -> date:
    """The last day that changes no more by time alone."""
    return (now.astimezone(UTC) - CLOSED_AFTER).date()


async def first_day(session: AsyncSession) -> date | None:
    """The first day of which anything is known, by raw rows or by sums."""
    firsts = [
        await session.scalar(select(day_of(func.min(Draft.started_at)))),
        await session.scalar(select(day_of(func.min(Refused.received_at)))),
        await session.scalar(select(func.min(SummedDay.day))),
    ]
    return min((day for day in firsts if day is not None), default=None)


async def sum_up(database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Sum up the days that are due, the latest first, a few in each transaction; return how many.

    Of several replicas at once, one does the work.
    """
    done, at_once = 0, 1
    while True:
        started, moment = time.perf_counter(), now()
        try:
            days = await _list_due_days(database, moment, at_once)
            done += len(await work_through(database, "sum up", days, partial(_sum_up_days, now=moment)))
        except Conflict:
            # Another replica has finished the same days just after we looked, or does so now.
            return done
        if len(days) < at_once:
            return done
        took = time.perf_counter() - started
        at_once = max(1, min(MOST_DAYS, int(at_once * AIM / took)))


async def _list_due_days(database: Database, now: datetime, most: int) -> list[date]:
    async with database.session(within=60) as session:
        await _begin_summing(session)
        # A mark says nothing where there are no sums, or final ones: whoever sums the day up later sees all of it.
        needed = exists().where(SummedDay.day == ChangedDay.day, ~SummedDay.final)
        await session.execute(delete(ChangedDay).where(~needed))
        return list(await session.scalars(await _due(session, now, most)))


async def _sum_up_days(session: AsyncSession, days: Sequence[date], now: datetime) -> None:
    await _begin_summing(session)
    await session.execute(delete(ChangedDay).where(ChangedDay.day.in_(days)))
    await write(session, days, now)


async def _begin_summing(session: AsyncSession) -> None:
    """Make this the one transaction that takes marks, of one state with the rows that they stand for."""
    await session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
    if not await try_lock(session, AdvisoryLock.ROLL_UP):
        raise Conflict("another replica sums up")


async def _due(session: AsyncSession, now: datetime, most: int) -> Select[date]:
    """The latest days to be summed up: over, and not summed yet or changed since."""
    first, last = await first_day(session) or closed(now), closed(now)
    day = func.generate_series(first, last, timedelta(days=1)).table_valued("moment", name="days").render_derived()
    each = cast(day.c.moment, Date)
    changed = exists().where(ChangedDay.day == SummedDay.day)
    lately_failed = await skipped_days(session, now - TRY_AGAIN_AFTER)
    return (
        select(each.label("day"))
        .select_from(day)
        .outerjoin(SummedDay, SummedDay.day == each)
        .where(or_(SummedDay.day.is_(None), and_(~SummedDay.final, changed)), each.not_in(lately_failed))
        .order_by(each.desc())
        .limit(most)
    )


async def skipped_days(session: AsyncSession, since: datetime | None = None) -> list[date]:
    """Return the days that could not be summed up; with ``since``, those that were tried after that."""
    return [date.fromisoformat(subject) for subject in await list_skipped(session, "sum up", since)]


async def write(session: AsyncSession, days: Sequence[date], now: datetime) -> None:
    """Write the sums of days anew."""
    chosen = Selection(spans_of(days))
    for sums in SUMS.values():
        columns = [column.name for column in (*sums.keys, *sums.counts)]
        await session.execute(delete(sums.table).where(sums.table.c.day.in_(days)))
        await session.execute(insert(sums.table).from_select(columns, counted(sums, chosen, now)))
    missed = select(DAILY_TAG.c.tag).distinct().where(DAILY_TAG.c.day.in_(days), DAILY_TAG.c.missed_tags > 0)
    await session.execute(upsert(MISSED_TAG).from_select(["tag"], missed).on_conflict_do_nothing())
    rows = upsert(SummedDay).values([{"day": day, "summed_at": now, "final": False} for day in days])
    await session.execute(rows.on_conflict_do_update(index_elements=["day"], set_={"summed_at": now}))
    for month in {day.replace(day=1) for day in days}:
        await _write_month(session, month)


async def _write_month(session: AsyncSession, month: date) -> None:
    """Add up the tags of a month's days, if all of them are there; until then the days are read."""
    days = days_of_month(month)
    await session.execute(delete(MONTHLY_TAG).where(MONTHLY_TAG.c.month == month))
    there = await session.scalar(select(func.count()).where(SummedDay.day.between(days[0], days[-1])))
    if there == len(days):
        keys = [key.name for key in SUMS["tag"].keys if key.name != "day"]
        counts = [count.name for count in SUMS["tag"].counts]
        added = kept(SUMS["tag"], keys, Selection((Span(days[0], days[-1]),)))
        added = added.add_columns(literal(month).label("month"))
        await session.execute(insert(MONTHLY_TAG).from_select([*keys, *counts, "month"], added))


def days_of_month(month: date) -> list[date]:
    """The days of the month that begins with a day."""
    following = (month + timedelta(days=31)).replace(day=1)
    return [month + timedelta(days=n) for n in range((following - month).days)]


async def finish_days(session: AsyncSession, before: date) -> list[date] | None:
    """Make the sums of all days before one final, but of those that could not be summed up; return these.

    None: some have not been tried yet, and nothing is final.
    """
    first = await first_day(session)
    if first is None or first >= before:
        return []
    holding = set(await session.scalars(_holding(first, before - timedelta(days=1), FOR_EVER)))
    failed = [day for day in await skipped_days(session) if first <= day < before and day not in holding]
    if len(holding) + len(failed) != (before - first).days:
        return None
    await session.execute(update(SummedDay).where(SummedDay.day.in_(holding), ~SummedDay.final).values(final=True))
    return failed


@dataclass(frozen=True, slots=True)
class Difference:
    """How daily sums differ from what the raw rows make.

    Attributes:
        days: compared.
        differing: of them, with any figure that differs.
        changed: days that wait to be summed up anew, and are counted live meanwhile.
        final: days whose raw rows were forgotten for their age.
    """

    days: int
    differing: list[date]
    changed: int
    final: int


async def differences(session: AsyncSession, now: datetime) -> Difference:
    """Count every day that has sums anew, and compare; nothing is changed."""
    holding = select(SummedDay.day).where(~SummedDay.final, ~exists().where(ChangedDay.day == SummedDay.day))
    days = list(await session.scalars(holding.order_by(SummedDay.day)))
    differing = []
    for start in range(0, len(days), COMPARED_AT_ONCE):
        differing += await _differing(session, days[start : start + COMPARED_AT_ONCE], now)
    final = await session.scalar(select(func.count()).where(SummedDay.final))
    waiting = await session.scalar(select(func.count()).where(~SummedDay.final))
    return Difference(len(days), differing, (waiting or 0) - len(days), final or 0)


async def _differing(session: AsyncSession, days: Sequence[date], now: datetime) -> list[date]:
    chosen = Selection(spans_of(days))
    differing: set[date] = set()
    for sums in SUMS.values():
        names = [key.name for key in sums.keys]
        there = _by_key(names, (await session.execute(kept(sums, names, chosen))).mappings())
        right = _by_key(names, (await session.execute(counted(sums, chosen, now))).mappings())
        differing |= {key[0] for key in there.keys() ^ right.keys()}
        # Sums of fractions depend on their order, in the last digits.
        for key in there.keys() & right.keys():
            if not all(isclose(a, b, abs_tol=1e-6) for a, b in zip(there[key], right[key], strict=True)):
                differing.add(key[0])
    return sorted(differing)


def _by_key(names: Sequence[str], rows: Iterable[RowMapping]) -> dict[tuple[Any, ...], list[float]]:
    """Counts by their keys, of which the day is the first."""
    return {
        tuple(row[name] for name in names): [value for name, value in row.items() if name not in names] for row in rows
    }
