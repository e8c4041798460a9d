"""Statements that count events: received, lost, refused and dismissed ones, and what is only counted in total."""

from datetime import date
from typing import Any

from sqlalchemy import CTE, BigInteger, ColumnElement, Subquery, case, cast, func, literal, select, true, union_all
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Kind, Selection
from backend.acceptance.queries.grouping import Rows, falls_within
from backend.counters.totals import Total
from backend.drafts.tables import Draft
from backend.feedback.tables import MAX_GAP, NUMBERED, Numbered, Numbering, Refused
from backend.postgres.base import day_of


def select_numbered_events(selection: Selection) -> Rows:
    """Count events received, by day, and events lost: gaps in the numbers that installs assign, from 1 on.

    A gap belongs to the day on which the event after it was received. Over all days the gaps of an install add up
    to its highest number less the distinct numbers known. A late event fills its gap. Installs with demo traffic are
    counted separately; all other kinds share their install's numbers. Up to the number that ``numbering`` keeps,
    events were deleted for their age, and nothing is a gap. A gap too wide to be true is none.
    """
    numbers = _select_numbers(_select_ranges(selection))

    def highest_below(table: type[Numbered]) -> ColumnElement[Any]:
        lower = select(func.max(table.sequence)).where(
            table.install_id == numbers.c.install_id, table.sequence < numbers.c.sequence
        )
        return lower.scalar_subquery()

    # Only the first number of an install's range has no number before it here.
    before = case(
        (numbers.c.before.is_not(None), numbers.c.before),
        else_=func.greatest(*map(highest_below, NUMBERED)),
    )
    deleted = select(Numbering.sequence).where(Numbering.install_id == numbers.c.install_id).scalar_subquery()
    demo = _is_demo_install(numbers.c.install_id)
    gap = func.greatest(numbers.c.sequence - 1 - func.greatest(before, deleted, 0), 0)
    missing = case((gap <= MAX_GAP, gap), else_=0)
    keys = [day_of(numbers.c.received_at).label("day"), demo.label("demo")]
    return (
        select(*keys, func.count().label("received"), cast(func.sum(missing), BigInteger).label("lost"))
        .where(
            numbers.c.before.is_distinct_from(numbers.c.sequence),
            falls_within(numbers.c.received_at, selection),
            _traffic_matches(demo, selection.kind),
        )
        .group_by(*keys)
    )


def _select_ranges(selection: Selection) -> CTE:
    """Select the lowest and the highest number that each install sent within the selected days."""
    received = union_all(
        *(
            select(table.install_id, table.sequence).where(falls_within(table.received_at, selection))
            for table in NUMBERED
        )
    ).subquery("came")
    return (
        select(
            received.c.install_id,
            func.min(received.c.sequence).label("lowest"),
            func.max(received.c.sequence).label("highest"),
        )
        .group_by(received.c.install_id)
        .cte("reach")
    )


def _select_numbers(ranges: CTE) -> Subquery:
    """Select all numbers within the ranges, whenever received, each with the number before it in the range."""
    known = union_all(
        *(
            select(table.install_id, table.sequence, table.received_at)
            .join(ranges, ranges.c.install_id == table.install_id)
            .where(table.sequence.between(ranges.c.lowest, ranges.c.highest))
            for table in NUMBERED
        )
    ).subquery("known")
    # Of a number used twice the first receipt counts.
    return select(
        known,
        func.lag(known.c.sequence)
        .over(partition_by=known.c.install_id, order_by=(known.c.sequence, known.c.received_at))
        .label("before"),
    ).subquery("steps")


def select_refused_events(selection: Selection) -> Rows:
    """Count refused events by the day they were received and by reason."""
    demo = _is_demo_install(Refused.install_id)
    keys = [day_of(Refused.received_at).label("day"), demo.label("demo"), Refused.reason.label("reason")]
    return (
        select(*keys, func.count().label("refused"))
        .where(falls_within(Refused.received_at, selection), _traffic_matches(demo, selection.kind))
        .group_by(*keys)
    )


def _is_demo_install(install_id: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    return install_id.in_(select(Draft.install_id).where(Draft.kind == "demo"))


def _traffic_matches(demo: ColumnElement[bool], kind: Kind | None) -> ColumnElement[bool]:
    """Return whether an event belongs to the traffic of a kind of draft: demo, or all others together."""
    return true() if kind is None else demo == literal(kind == "demo")


def select_totals(since: date, until: date) -> Rows:
    """Add up, over days, what is counted by day and name only."""
    return (
        select(Total.name, cast(func.sum(Total.n), BigInteger).label("n"))
        .where(Total.day.between(since, until))
        .group_by(Total.name)
        .order_by(Total.name)
    )
