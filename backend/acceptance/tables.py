"""Daily rollups: what the rates count, added up by day, so that a page of years need not read every item again.

Each table has keys and counts. Its rows need not be unique: readers add them up. No draft is in any of them, and no
install but in ``daily_install``.
"""

from datetime import date
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    Identity,
    Index,
    Integer,
    SmallInteger,
    Text,
    Uuid,
    false,
)
from sqlalchemy import Table as SqlTable
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from backend.acceptance.writers import INSTALL_COUNTS
from backend.postgres.base import Moment, Table

COUNT = "count"
"""Marks the columns that are added up; all others are keys."""


def _daily_table(name: str, *columns: Column[Any]) -> SqlTable:
    return SqlTable(name, Table.metadata, Column("day", Date, nullable=False, index=True), *columns)


def _keys(*others: Column[Any]) -> tuple[Column[Any], ...]:
    # Rows from before there were answers of devices have the default.
    origin = Column("origin", Text, nullable=False, server_default="service")
    return (*(Column(name, Text, nullable=False) for name in ("kind", "model_version", "site")), origin, *others)


def _counts(*names: str, integer: type[Integer] = Integer) -> tuple[Column[Any], ...]:
    return tuple(
        Column(name, Float(53) if name.endswith(("_sum", "_squares")) else integer, nullable=False, info={COUNT: True})
        for name in names
    )


ITEM_COUNTS = ("viewed", "accepted", "dismissed", "posted_viewed", "kept", "agreed")
TAG_COUNTS = ("offered_tags", "posted_tags", "matched_tags", "missed_tags")

# An item's model version and origin are those of its suggestion, a draft's those of its first answer.
DAILY_ITEM = _daily_table(
    "daily_item",
    *_keys(Column("position", SmallInteger), Column("order", Text, nullable=False)),
    *_counts(*ITEM_COUNTS, "impossible"),
)
DAILY_OFFER = _daily_table(
    "daily_offer",
    *_keys(Column("length", SmallInteger, nullable=False), Column("score", SmallInteger, nullable=False)),
    *_counts(*ITEM_COUNTS, "score_sum"),
)
DAILY_TAG = _daily_table(
    "daily_tag",
    *_keys(Column("tag", Text, nullable=False)),
    *_counts(*ITEM_COUNTS, *TAG_COUNTS),
)
Index("ix_daily_tag_missed", DAILY_TAG.c.tag, DAILY_TAG.c.day, postgresql_where=DAILY_TAG.c.missed_tags > 0)

# Thousands of tags on each of hundreds of days are too many to add up for one page, so whole months are added up, too.
MONTHLY_TAG = SqlTable(
    "monthly_tag",
    Table.metadata,
    Column("month", Date, nullable=False, index=True),
    *_keys(Column("tag", Text, nullable=False)),
    *_counts(*ITEM_COUNTS, *TAG_COUNTS),
)

# Every tag that was ever missed on a rolled-up day: the few unknown ones are found without reading all days.
MISSED_TAG = SqlTable("missed_tag", Table.metadata, Column("tag", Text, primary_key=True))
DAILY_DRAFT = _daily_table(
    "daily_draft",
    *_keys(),
    *_counts("viewed_drafts", "helped_drafts", "answered", "covered", "posted", *TAG_COUNTS),
    *_counts("precision_n", "precision_sum", "precision_squares", "recall_n", "recall_sum", "recall_squares"),
    *_counts("union_n", "f1_sum", "f1_squares", "jaccard_sum", "jaccard_squares", "exact", "one_found", "all_found"),
)
# As long as there are raw rows, and erased with the install: what intervals and changes go by.
DAILY_INSTALL = _daily_table(
    "daily_install", *_keys(Column("install_id", Uuid, nullable=False, index=True)), *_counts(*INSTALL_COUNTS)
)

# What intervals go by when the raw rows are gone: the sums over installs of squares and products, by pair of counts.
# They don't add up over the values of a key, so there is a row for all values together, too, where the key is null.
DAILY_WRITERS, MONTHLY_WRITERS = (
    SqlTable(
        f"{adjective}_writers",
        Table.metadata,
        Column(unit, Date, nullable=False, index=True),
        Column("kind", Text, nullable=False),
        *(Column(name, Text) for name in ("model_version", "site", "origin")),
        Column("sums", JSONB, nullable=False),
    )
    for adjective, unit in (("daily", "day"), ("monthly", "month"))
)
DAILY_LATENCY = _daily_table("daily_latency", *_keys(Column("milliseconds", Integer, nullable=False)), *_counts("n"))
DAILY_EVENT = _daily_table(
    "daily_event",
    Column("demo", Boolean, nullable=False),
    Column("reason", Text),
    # How many numbers are missing is what clients say.
    *_counts("received", "lost", "refused", integer=BigInteger),
)


class RolledUpDay(Table):
    """A day that has been rolled up.

    Its rollups are valid unless a `ChangedDay` says otherwise. Once the day's raw rows are deleted for their age it is
    ``final``, and its rollups stay as they are. ``by_install``: whether it was rolled up by install, too; days that an
    older version rolled up were not.
    """

    __tablename__ = "summed_day"

    day: Mapped[date] = mapped_column(primary_key=True)
    summed_at: Mapped[Moment]
    final: Mapped[bool]
    by_install: Mapped[bool] = mapped_column(server_default=false())


class ChangedDay(Table):
    """A day for which a transaction has changed what is counted.

    Written by triggers (migration 0006), deleted when the day is rolled up again. Each transaction writes rows of its
    own, so that none waits for another, and a refresh that has not seen the transaction does not delete its row either.
    """

    __tablename__ = "changed_day"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    day: Mapped[date]
