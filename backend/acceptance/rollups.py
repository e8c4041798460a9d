"""Daily rollups: days that are over, added up by the very statements that count live.

A day is rolled up some hours after its end. What changes it later (a draft posted the next day, a late event, demo
traffic removed) marks it in the same transaction, by triggers of the database; until the background has rolled it up
again (`backend.acceptance.rollup_refresh`), the day is counted live. So figures are exact at every moment.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Integer,
    Label,
    Select,
    Table,
    and_,
    cast,
    exists,
    func,
    literal,
    null,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import TypeEngine

from backend.acceptance.filters import Filters, Selection, consecutive_spans
from backend.acceptance.queries.drafts import select_answered_drafts, select_viewed_drafts
from backend.acceptance.queries.events import select_numbered_events, select_refused_events
from backend.acceptance.queries.grouping import DRAFT_KEYS, INSTALL_KEYS, Rows
from backend.acceptance.queries.items import select_impossible_items, select_posted_items, select_viewed_items
from backend.acceptance.queries.latencies import select_latencies
from backend.acceptance.queries.posted import select_posted_drafts, select_posted_tags, vocabulary_table
from backend.acceptance.tables import (
    COUNT,
    DAILY_DRAFT,
    DAILY_EVENT,
    DAILY_INSTALL,
    DAILY_ITEM,
    DAILY_LATENCY,
    DAILY_OFFER,
    DAILY_TAG,
    MISSED_TAG,
    MONTHLY_TAG,
    ChangedDay,
    RolledUpDay,
)
from backend.drafts.tables import Draft
from backend.feedback.tables import Refused
from backend.postgres.base import day_of

# A day is rolled up when every transaction has ended that found it too young for a mark (migration 0006: until one hour
# after its end; the longest may take another hour). By then no view of it is open any more; its open drafts are counted
# live in any case.
CLOSED_AFTER = timedelta(days=1, hours=3)


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table of daily sums, and the live statements whose rows it holds."""

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


ROLLUPS = {
    "item": Rollup(
        DAILY_ITEM,
        lambda selection, now: (
            select_viewed_items([(*DRAFT_KEYS, "position", "order")], selection, now),
            select_posted_items([(*DRAFT_KEYS, "position", "order")], selection),
            select_impossible_items((*DRAFT_KEYS, "position", "order"), selection),
        ),
    ),
    "offer": Rollup(
        DAILY_OFFER,
        lambda selection, now: (
            select_viewed_items([(*DRAFT_KEYS, "length", "score")], selection, now),
            select_posted_items([(*DRAFT_KEYS, "length", "score")], selection),
        ),
    ),
    "tag": Rollup(
        DAILY_TAG,
        lambda selection, now: (
            select_viewed_items([(*DRAFT_KEYS, "tag")], selection, now),
            select_posted_items([(*DRAFT_KEYS, "tag")], selection),
            select_posted_tags([(*DRAFT_KEYS, "tag")], selection),
        ),
    ),
    "draft": Rollup(
        DAILY_DRAFT,
        lambda selection, now: (
            select_viewed_drafts(selection, now),
            select_answered_drafts(selection),
            select_posted_drafts(selection),
        ),
    ),
    "install": Rollup(
        DAILY_INSTALL,
        lambda selection, now: (
            select_viewed_items([INSTALL_KEYS], selection, now),
            select_posted_items([INSTALL_KEYS], selection),
            select_viewed_drafts(selection, now, INSTALL_KEYS),
            select_answered_drafts(selection, INSTALL_KEYS),
            select_posted_drafts(selection, INSTALL_KEYS),
        ),
    ),
    "latency": Rollup(DAILY_LATENCY, lambda selection, now: (select_latencies(selection),)),
    "event": Rollup(
        DAILY_EVENT, lambda selection, now: (select_numbered_events(selection), select_refused_events(selection))
    ),
}


def compute_rollup(rollup: Rollup, selection: Selection, now: datetime) -> Rows:
    """Select, from the raw rows, the rows that a rollup should hold."""
    parts = []
    for statement in rollup.statements(selection, now):
        live = statement.subquery()
        keys = [
            (live.c[key.name] if key.name in live.c else cast(null(), key.type)).label(key.name) for key in rollup.keys
        ]
        counts = [
            (live.c[count.name] if count.name in live.c else literal(0)).label(count.name) for count in rollup.counts
        ]
        parts.append(select(*keys, *counts))
    rows = union_all(*parts).subquery()
    key_columns = [rows.c[key.name] for key in rollup.keys]
    sums = [cast(func.sum(rows.c[count.name]), sum_type(count)).label(count.name) for count in rollup.counts]
    return select(*key_columns, *sums).group_by(*key_columns)


def read_rollup(rollup: Rollup, by: Sequence[str], selection: Selection, counts: Sequence[str] | None = None) -> Rows:
    """Select a rollup's sums of the selected days by some of its keys; with ``counts``, these only, without zeros."""
    table = rollup.table
    keys = [table.c[name] for name in by]
    names = [count.name for count in rollup.counts] if counts is None else counts
    statement = select(*keys, *sum_counts(table, names)).where(*_conditions(table, selection)).group_by(*keys)
    if counts is not None:
        statement = statement.where(or_(*(table.c[name] != 0 for name in counts)))
    return statement


def sum_counts(table: Table, names: Sequence[str]) -> list[Label[Any]]:
    """Return the labelled sums of some of a table's counts."""
    return [cast(func.sum(table.c[name]), sum_type(table.c[name])).label(name) for name in names]


def sum_type(count: Column[Any]) -> TypeEngine[Any]:
    """Return the type of a count's sum: the whole numbers of a day are small, their sums need not be."""
    return BigInteger() if isinstance(count.type, Integer) else count.type


def _conditions(table: Table, selection: Selection) -> list[ColumnElement[bool]]:
    days = or_(*(table.c.day.between(span.since, span.until) for span in selection.spans))
    return [days, *_filter_conditions(table, selection)]


def _filter_conditions(table: Table, selection: Selection) -> list[ColumnElement[bool]]:
    names = ("kind", "site", "model_version", "origin")
    values = {name: getattr(selection, name) for name in names if name in table.c}
    return [table.c[name] == value for name, value in values.items() if value is not None]


def read_unknown_tags(by: Sequence[str], selection: Selection, vocabulary: Collection[str]) -> Rows:
    """Count the missed tags of the selected days that are not in a vocabulary."""
    known, table = vocabulary_table(vocabulary), DAILY_TAG
    unknown = (
        select(MISSED_TAG.c.tag)
        .outerjoin(known, known.c.word == MISSED_TAG.c.tag)
        .where(known.c.word.is_(None))
        .cte("unknown")
    )
    # Tag by tag: the database can't foresee how few are unknown, and would read every missed tag of every day.
    missed = (
        select(*(table.c[name] for name in by), *sum_counts(table, ["missed_tags"]))
        .where(table.c.tag == unknown.c.tag, table.c.missed_tags > 0, *_conditions(table, selection))
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


def read_tag_rollups(selection: Selection) -> list[Rows]:
    """Select the sums of the selected days by tag: those of whole months, and of the days that remain."""
    days = {day for span in selection.spans for day in span.days}
    months = [month for month in {day.replace(day=1) for day in days} if days.issuperset(days_of_month(month))]
    remaining = days.difference(*(days_of_month(month) for month in months))
    statements = []
    if remaining:
        statements.append(read_rollup(ROLLUPS["tag"], ("tag",), replace(selection, spans=consecutive_spans(remaining))))
    if months:
        table = MONTHLY_TAG
        statements.append(
            select(table.c.tag, *sum_counts(table, [count.name for count in ROLLUPS["tag"].counts]))
            .where(table.c.month.in_(sorted(months)), *_filter_conditions(table, selection))
            .group_by(table.c.tag)
        )
    return statements


@dataclass(frozen=True, slots=True)
class DaySplit:
    """The days of a selection by how they are counted, from rollups or live; None where there is no such day."""

    rolled_up: Selection | None
    live: Selection | None


async def split_days(session: AsyncSession, filters: Filters, now: datetime, *, every_kind: bool = False) -> DaySplit:
    """Split the filtered days into those counted from rollups and live ones; ``every_kind``: of all kinds of drafts."""
    selection = filters.selection
    # Rollups know nothing of arms.
    valid: set[date] = set()
    if selection.arm is None:
        valid.update(await session.scalars(select_valid_days(filters.since, filters.until, now)))
    kind = None if every_kind else selection.kind

    def restrict_to(days: Sequence[date]) -> Selection | None:
        return replace(selection, spans=consecutive_spans(days), kind=kind) if days else None

    days = filters.days
    return DaySplit(
        restrict_to([day for day in days if day in valid]), restrict_to([day for day in days if day not in valid])
    )


def select_valid_days(since: date, until: date, now: datetime) -> Select[date]:
    """Select the days whose rollups are valid: final, or closed and unchanged since."""
    changed = exists().where(ChangedDay.day == RolledUpDay.day)
    return select(RolledUpDay.day).where(
        RolledUpDay.day.between(since, until),
        or_(RolledUpDay.final, and_(RolledUpDay.day <= last_closed_day(now), ~changed)),
    )


def last_closed_day(now: datetime) -> date:
    """Return the last day that no longer changes by time alone."""
    return (now.astimezone(UTC) - CLOSED_AFTER).date()


async def first_day(session: AsyncSession) -> date | None:
    """Return the first day of which anything is known, from raw rows or rollups."""
    days = [
        await session.scalar(select(day_of(func.min(Draft.started_at)))),
        await session.scalar(select(day_of(func.min(Refused.received_at)))),
        await session.scalar(select(func.min(RolledUpDay.day))),
    ]
    return min((day for day in days if day is not None), default=None)


def days_of_month(month: date) -> list[date]:
    """Return the days of the month that begins with a day."""
    following = (month + timedelta(days=31)).replace(day=1)
    return [month + timedelta(days=n) for n in range((following - month).days)]
