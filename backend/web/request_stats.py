"""Request statistics of all replicas, by minute: requests, how many failed, suggestions, how many were slow.

Prometheus keeps them better where there is one; these few numbers are for the service's own alerts, which must see
every replica and work without any other program. They are the differences of this process's own histogram.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import BigInteger, cast, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table
from backend.postgres.database import Database, DatabaseUnavailable
from backend.web.metrics import REQUESTS

FLUSH_EVERY = 10.0

# No alert looks back further.
RETENTION = timedelta(days=8)

# A suggestion that takes longer is slow: one of the histogram's bounds. Seconds.
SLOW = 0.25
SUGGESTIONS_ROUTE = "/api/v1/suggestions"


class RequestStatsRow(Table):
    """What all replicas did in one minute."""

    __tablename__ = "vital"

    minute: Mapped[Moment] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    suggestions: Mapped[int] = mapped_column(BigInteger)
    slow: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class RequestStats:
    """Requests, those that failed (5xx), suggestions answered, and those that took longer than ``SLOW``."""

    requests: int = 0
    failed: int = 0
    suggestions: int = 0
    slow: int = 0


def read_process_stats() -> RequestStats:
    """Return what this process has done since its start."""
    requests = failed = suggestions = quick = 0.0
    for metric in REQUESTS.collect():
        for sample in metric.samples:
            if sample.name.endswith("_count"):
                requests += sample.value
                failed += sample.value if sample.labels["status"].startswith("5") else 0
            if sample.labels.get("route") != SUGGESTIONS_ROUTE or sample.labels["status"] != "200":
                continue
            if sample.name.endswith("_count"):
                suggestions += sample.value
            elif sample.name.endswith("_bucket") and float(sample.labels["le"]) == SLOW:
                quick += sample.value
    return RequestStats(int(requests), int(failed), int(suggestions), int(suggestions - quick))


class RequestStatsWriter:
    """Writes what this process did since the last time; what could not be written is written later."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written = read_process_stats()

    async def flush(self) -> None:
        """Add the difference to this minute's row."""
        now, written = read_process_stats(), self._written
        row = {name: getattr(now, name) - getattr(written, name) for name in RequestStats.__slots__}
        if not any(row.values()):
            return
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        table = RequestStatsRow
        statement = insert(table).values(minute=minute, **row)
        statement = statement.on_conflict_do_update(
            index_elements=["minute"], set_={name: getattr(table, name) + statement.excluded[name] for name in row}
        )
        try:
            async with self._database.session() as session:
                await session.execute(statement)
                await session.execute(delete(table).where(table.minute < minute - RETENTION))
        except DatabaseUnavailable:
            return
        self._written = now


async def read_request_stats(session: AsyncSession, since: datetime) -> RequestStats:
    """Return what all replicas did from a moment on."""
    sums = [
        cast(func.coalesce(func.sum(getattr(RequestStatsRow, name)), 0), BigInteger).label(name)
        for name in RequestStats.__slots__
    ]
    row = (await session.execute(select(*sums).where(RequestStatsRow.minute >= since))).one()
    return RequestStats(**row._mapping)
