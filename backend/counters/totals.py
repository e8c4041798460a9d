"""Totals: daily counts of what leaves no row of its own, kept in memory until the database takes them."""

from collections import Counter
from datetime import UTC, date, datetime

from sqlalchemy import BigInteger, Text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Table
from backend.postgres.database import Database, DatabaseUnavailable

# How long a count may wait in memory; what a crash loses at most. Seconds.
FLUSH_EVERY = 5.0


class Total(Table):
    """How often something happened on a day (UTC), such as an answer that could not be recorded."""

    __tablename__ = "total"

    day: Mapped[date] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(Text, primary_key=True)
    n: Mapped[int] = mapped_column(BigInteger)


class Totals:
    """Counts by day and name. Counting never waits for the database, since it counts outages too."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: Counter[tuple[date, str]] = Counter()

    def count(self, name: str, n: int = 1) -> None:
        """Add ``n`` to today's count of ``name``."""
        self._waiting[datetime.now(UTC).date(), name] += n

    async def flush(self) -> None:
        """Write the waiting counts; if the database is away, they go on waiting."""
        if not self._waiting:
            return
        counts, self._waiting = self._waiting, Counter()
        # Sorted, so that two replicas lock the rows in the same order.
        rows = [{"day": day, "name": name, "n": n} for (day, name), n in sorted(counts.items())]
        statement = insert(Total).values(rows)
        statement = statement.on_conflict_do_update(
            index_elements=["day", "name"], set_={"n": Total.n + statement.excluded.n}
        )
        try:
            async with self._database.session() as session:
                await session.execute(statement)
        except DatabaseUnavailable:
            self._waiting += counts
