"""The replicas of the service: what each of them has loaded, as it last reported."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.tables import Replica

# A replica that has not reported for so long is gone.
REPLICA_TIMEOUT = timedelta(seconds=30)


async def record_heartbeat(
    session: AsyncSession,
    replica_id: UUID,
    *,
    name: str,
    champion: str,
    loaded: Sequence[str],
    problems: Mapping[str, str],
    now: datetime,
) -> None:
    """Record what a replica serves now, and delete those that are gone.

    Args:
        session: in a transaction.
        replica_id: of the process.
        name: of the process, for people.
        champion: the version that it serves as champion.
        loaded: all versions that it has loaded.
        problems: deployed versions that it could not load, and why.
        now: the present.
    """
    values = {"name": name, "seen_at": now, "champion": champion, "loaded": list(loaded), "problems": dict(problems)}
    await session.execute(
        insert(Replica).values(id=replica_id, **values).on_conflict_do_update(index_elements=["id"], set_=values)
    )
    await session.execute(delete(Replica).where(Replica.seen_at < now - REPLICA_TIMEOUT))


async def list_replicas(session: AsyncSession, now: datetime) -> list[Replica]:
    """Return the replicas that serve, by name."""
    statement = select(Replica).where(Replica.seen_at >= now - REPLICA_TIMEOUT).order_by(Replica.name)
    return list(await session.scalars(statement))


async def delete_replica(session: AsyncSession, replica_id: UUID) -> None:
    """Delete a replica that ends."""
    await session.execute(delete(Replica).where(Replica.id == replica_id))
