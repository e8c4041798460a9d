"""Deleting drafts, with all that belongs to them, after 400 days; the rates of older days stay as daily rollups."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.rollup_refresh import finish_days
from backend.counters.skipped import work_through
from backend.deployments.assignments import delete_assignments
from backend.drafts.addresses import delete_addresses
from backend.drafts.service import RETENTION_PERIOD, delete_drafts, list_drafts_before, lock_drafts_before
from backend.feedback.stored_events import delete_old_events, delete_old_refusals
from backend.postgres.database import Conflict, Database
from backend.postgres.locks import AdvisoryLock, try_lock

DELETE_EXPIRED_EVERY = 3600.0

# Drafts, or refused events, in one transaction: few enough for it to be short.
BATCH = 1000


async def delete_expired(database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Delete the drafts that are older than 400 days in every part, and the arms of experiments that ended before.

    The rollups of those days are made final first; until all of them are there, nothing is deleted. What belongs to a
    day that could not be rolled up is spared until it can be. A draft with any younger part stays whole. Of several
    replicas, one does the work.

    Returns:
        How many drafts were deleted.
    """
    today = now().astimezone(UTC).date()
    async with database.session() as session:
        await delete_addresses(session, today)
    horizon = datetime.combine(today - RETENTION_PERIOD, time.min, UTC)
    try:
        async with database.session(within=60) as session:
            await _begin_deletion(session)
            spared = await finish_days(session, horizon.date())
            if spared is None:
                return 0
            await delete_assignments(session, horizon)
        deleted = await _delete_drafts(database, horizon, spared)
        while await _delete_some_refusals(database, horizon, spared) == BATCH:
            pass
        return deleted
    except Conflict:
        return 0


async def _delete_some_refusals(database: Database, horizon: datetime, spared: Sequence[date]) -> int:
    async with database.session(within=60) as session:
        await _begin_deletion(session)
        return await delete_old_refusals(session, horizon, BATCH, spared)


async def _delete_drafts(database: Database, horizon: datetime, spared: Sequence[date]) -> int:
    """Delete drafts batch by batch; return how many."""
    deleted = 0
    after: tuple[datetime, UUID] | None = None

    async def delete_batch(session: AsyncSession, drafts: Sequence[UUID]) -> None:
        nonlocal deleted
        await _begin_deletion(session)
        old = await lock_drafts_before(session, horizon, drafts)
        gone = await delete_old_events(session, old, horizon, spared)
        deleted += await delete_drafts(session, gone)

    while True:
        async with database.session(within=60) as session:
            old = await list_drafts_before(session, horizon, after, BATCH, spared)
        await work_through(database, "forget", [draft.id for draft in old], delete_batch)
        if len(old) < BATCH:
            return deleted
        after = (old[-1].started_at, old[-1].id)


async def _begin_deletion(session: AsyncSession) -> None:
    """Make this the only transaction that deletes, and have no day marked as changed: the rollups are final."""
    if not await try_lock(session, AdvisoryLock.FORGET):
        raise Conflict("another replica deletes old drafts")
    await session.execute(text("SET LOCAL tagalong.forgetting = on"))
