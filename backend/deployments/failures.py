"""How many answers a challenger was to give, and in how many it failed and the champion answered, by the minute."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.tables import Failure
from backend.postgres.database import Database, DatabaseUnavailable

# No guardrail looks back further than an experiment's start, and experiments end.
RETENTION = timedelta(days=90)


class FailureCounter:
    """Counts a challenger's answers in memory until the database takes them."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: Counter[tuple[UUID, datetime, str]] = Counter()

    def count(self, deployment_id: UUID, *, failed: bool) -> None:
        """Count an answer that the challenger was to give, and whether it failed."""
        minute = datetime.now(UTC).replace(second=0, microsecond=0)
        self._counts[deployment_id, minute, "answers"] += 1
        if failed:
            self._counts[deployment_id, minute, "failed"] += 1

    async def flush(self) -> None:
        """Write the counts. If the database is unavailable, they stay in memory."""
        if not self._counts:
            return
        counts, self._counts = self._counts, Counter()
        rows = [
            {
                "deployment_id": deployment_id,
                "minute": minute,
                "answers": n,
                "failed": counts[deployment_id, minute, "failed"],
            }
            for (deployment_id, minute, name), n in sorted(counts.items())
            if name == "answers"
        ]
        statement = insert(Failure).values(rows)
        excluded = statement.excluded
        statement = statement.on_conflict_do_update(
            index_elements=["deployment_id", "minute"],
            set_={"answers": Failure.answers + excluded.answers, "failed": Failure.failed + excluded.failed},
        )
        try:
            async with self._database.session() as session:
                await session.execute(statement)
                await session.execute(delete(Failure).where(Failure.minute < datetime.now(UTC) - RETENTION))
        except DatabaseUnavailable:
            self._counts += counts


async def sum_failures(session: AsyncSession, deployment_id: UUID) -> tuple[int, int]:
    """Return how many answers a challenger failed to give, and how many it was to give."""
    statement = select(func.coalesce(func.sum(Failure.failed), 0), func.coalesce(func.sum(Failure.answers), 0))
    failed, answers = (await session.execute(statement.where(Failure.deployment_id == deployment_id))).one()
    return int(failed), int(answers)
