"""The vital signs of all replicas, minute by minute: requests, how many failed, suggestions, how many were slow.

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
KEPT = timedelta(days=8)

# A suggestion that takes longer is slow: one of the histogram's bounds. Seconds.
SLOW = 0.25
SUGGESTIONS = "/api/v1/suggestions"


class Vital(Table):
    """What all replicas did in one minute."""

    __tablename__ = "vital"

    minute: Mapped[Moment] = mapped_column(primary_key=True)
    requests: Mapped[int] = mapped_column(BigInteger)
    failed: Mapped[int] = mapped_column(BigInteger)
    suggestions: Mapped[int] = mapped_column(BigInteger)
    slow: Mapped[int] = mapped_column(BigInteger)


@dataclass(frozen=True, slots=True)
class Signs:
    """Requests, those that failed (5xx), suggestions answered, and those that took longer than ``SLOW``."""

    requests: int = 0
    failed: int = 0
    suggestions: int = 0
    slow: int = 0


def signs_of_process() -> Signs:
    """What this process has done since its start."""
    requests = failed = suggestions = quick = 0.0
    for metric in REQUESTS.collect():
        for sample in metric.samples:
            if sample.name.endswith("_count"):
                requests += sample.value
                failed += sample.value if sample.labels["status"].startswith("5") else 0
            if sample.labels.get("route") != SUGGESTIONS or sample.labels["status"] != "200":
                continue
            if sample.name.endswith("_count"):
                suggestions += sample.value
            elif sample.name.endswith("_bucket") and float(sample.labels["le"]) == SLOW:
                quick += sample.value
    return Signs(int(requests), int(failed), int(suggestions), int(suggestions - quick))


class Vitals:
    """Writes what this process did since the last time; what could not be written is written later."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._written = signs_of_process()

    async def flush(self) -> None:
        """Add the difference to this minute's row."""
        now, written = signs_of_process(), self._written
        row = {name: getattr(now, name) - getattr(written, name) for name in Signs.__slots__}
        if not any(row.values()):
            return
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        statement = insert(Vital).values(minute=minute, **row)
        statement = statement.on_conflict_do_update(
            index_elements=["minute"], set_={name: getattr(Vital, name) + statement.excluded[name] for name in row}
        )
        try:
            async with self._database.session() as session:
                await session.execute(statement)
                await session.execute(delete(Vital).where(Vital.minute < minute - KEPT))
        except DatabaseUnavailable:
            return
        self._written = now


async def signs_since(session: AsyncSession, moment: datetime) -> Signs:
    """What all replicas did from a moment on."""
    sums = [cast(func.coalesce(func.sum(getattr(Vital, name)), 0), BigInteger).label(name) for name in Signs.__slots__]
    row = (await session.execute(select(*sums).where(Vital.minute >= moment))).one()
    return Signs(**row._mapping)
