"""What all tables share: one metadata with named constraints, and the type of a moment in time."""

from datetime import datetime
from typing import Annotated, Any

from sqlalchemy import ColumnElement, Date, DateTime, MetaData, cast, func
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, mapped_column

# Alembic can only drop or compare a constraint that has a name.
NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Moment = Annotated[datetime, mapped_column(DateTime(timezone=True))]
"""A moment in time; stored as UTC, always aware."""


class Table(DeclarativeBase):
    """Base of every table of the service."""

    metadata = MetaData(naming_convention=NAMES)


def day_of(moment: ColumnElement[Any] | InstrumentedAttribute[Any]) -> ColumnElement[Any]:
    """Return the UTC day of a moment, whatever the session's time zone."""
    return cast(func.timezone("UTC", moment), Date)


def as_dict(row: Table) -> dict[str, Any]:
    """Return a row's columns by name, for an export."""
    return {column.key: getattr(row, column.key) for column in row.__table__.columns}
