"""Daily sums: what the rates count, added up by day, so that a page of years need not read every item again.

Each table has keys and counts. Its rows need not be unique: whoever reads it adds up. No draft and no install is in it.
"""

from datetime import date
from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Date, Float, Identity, Index, Integer, SmallInteger, Text
from sqlalchemy import Table as Plain
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table

COUNT = "count"
"""Marks the columns that are added up; all others are keys."""


def _plain(name: str, *columns: Column[Any]) -> Plain:
    return Plain(name, Table.metadata, Column("day", Date, nullable=False, index=True), *columns)


def _keys(*more: Column[Any]) -> tuple[Column[Any], ...]:
    return (*(Column(name, Text, nullable=False) for name in ("kind", "model_version", "site")), *more)


def _counts(*names: str, whole: type[Integer] = Integer) -> tuple[Column[Any], ...]:
    return tuple(
        Column(name, Float(53) if name.endswith(("_sum", "_squares")) else whole, nullable=False, info={COUNT: True})
        for name in names
    )


OF_ITEMS = ("viewed", "accepted", "dismissed", "posted_viewed", "kept", "agreed")
OF_TAGS = ("offered_tags", "posted_tags", "matched_tags", "missed_tags")

# An item's model version is that of its suggestion, a draft's that of its first answer.
DAILY_ITEM = _plain(
    "daily_item",
    *_keys(Column("position", SmallInteger), Column("order", Text, nullable=False)),
    *_counts(*OF_ITEMS, "impossible"),
)
DAILY_OFFER = _plain(
    "daily_offer",
    *_keys(Column("length", SmallInteger, nullable=False), Column("score", SmallInteger, nullable=False)),
    *_counts(*OF_ITEMS, "score_sum"),
)
DAILY_TAG = _plain(
    "daily_tag",
    *_keys(Column("tag", Text, nullable=False)),
    *_counts(*OF_ITEMS, *OF_TAGS),
)
Index("ix_daily_tag_missed", DAILY_TAG.c.tag, DAILY_TAG.c.day, postgresql_where=DAILY_TAG.c.missed_tags > 0)

# Thousands of tags on each of hundreds of days are too many to add up for one page: whole months are, once more.
MONTHLY_TAG = Plain(
    "monthly_tag",
    Table.metadata,
    Column("month", Date, nullable=False, index=True),
    *_keys(Column("tag", Text, nullable=False)),
    *_counts(*OF_ITEMS, *OF_TAGS),
)

# Every tag that was ever missed on a day summed up, so that the few unknown ones are found without reading them all.
MISSED_TAG = Plain("missed_tag", Table.metadata, Column("tag", Text, primary_key=True))
DAILY_DRAFT = _plain(
    "daily_draft",
    *_keys(),
    *_counts("viewed_drafts", "helped_drafts", "answered", "covered", "posted", *OF_TAGS),
    *_counts("precision_n", "precision_sum", "precision_squares", "recall_n", "recall_sum", "recall_squares"),
    *_counts("union_n", "f1_sum", "f1_squares", "jaccard_sum", "jaccard_squares", "exact", "one_found", "all_found"),
)
DAILY_LATENCY = _plain("daily_latency", *_keys(Column("milliseconds", Integer, nullable=False)), *_counts("n"))
DAILY_EVENT = _plain(
    "daily_event",
    Column("demo", Boolean, nullable=False),
    Column("reason", Text),
    # How many numbers are missing is what clients say.
    *_counts("received", "lost", "refused", whole=BigInteger),
)


class SummedDay(Table):
    """A day whose sums are there.

    They hold unless a `ChangedDay` says otherwise. Once the day's raw rows are forgotten for their age it is
    ``final``, and its sums stay as they are.
    """

    __tablename__ = "summed_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    summed_at: Mapped[Moment]
    final: Mapped[bool]


class ChangedDay(Table):
    """A transaction has changed what is counted for a day; written by triggers (migration 0006), taken by the summing.

    Each transaction writes rows of its own, so that none waits for another, and a summing that has not seen the
    transaction does not take its row either.
    """

    __tablename__ = "changed_day"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    day: Mapped[date]
