"""Forgetting drafts, with all that hangs on them, after 400 days; the rates of older days stay as daily sums."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.rollup_refresh import finish_days
from backend.counters.skipped import work_through
from backend.deployments.assignments import delete_assignments
from backend.drafts.addresses import delete_addresses
from backend.drafts.service import delete_drafts, list_drafts_before, lock_drafts_before
from backend.feedback.service import delete_old_events, delete_old_refusals
from backend.postgres.database import Conflict, Database
from backend.postgres.locks import AdvisoryLock, try_lock

RETENTION_PERIOD = timedelta(days=400)

DELETE_EXPIRED_EVERY = 3600.0

# Drafts, or refused events, in one transaction: few enough for it to be short.
BATCH = 1000


async def delete_expired(database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Forget the drafts of which everything is older than 400 days, and the arms of experiments that ended before.

    The sums of those days are made final first; until all of them are there, nothing is forgotten. What belongs to a
    day that could not be summed up is spared until it can. A draft with anything younger in it stays whole. Of several
    replicas at once, one does the work. Returns how many drafts went.
    """
    today = now().astimezone(UTC).date()
    async with database.session() as session:
        await delete_addresses(session, today)
    horizon = datetime.combine(today - RETENTION_PERIOD, time.min, UTC)
    try:
        async with database.session(within=60) as session:
            await _make_mine(session)
            spared = await finish_days(session, horizon.date())
            if spared is None:
                return 0
            await delete_assignments(session, horizon)
        forgotten = await _forget_drafts(database, horizon, spared)
        while await _forget_some_refusals(database, horizon, spared) == BATCH:
            pass
        return forgotten
    except Conflict:
        return 0


async def _forget_some_refusals(database: Database, horizon: datetime, spared: Sequence[date]) -> int:
    async with database.session(within=60) as session:
        await _make_mine(session)
        return await delete_old_refusals(session, horizon, BATCH, spared)


async def _forget_drafts(database: Database, horizon: datetime, spared: Sequence[date]) -> int:
    """Forget drafts batch by batch; return how many went."""
    forgotten = 0
    after: tuple[datetime, UUID] | None = None

    async def forget(session: AsyncSession, drafts: Sequence[UUID]) -> None:
        nonlocal forgotten
        await _make_mine(session)
        old = await lock_drafts_before(session, horizon, drafts)
        gone = await delete_old_events(session, old, horizon, spared)
        forgotten += await delete_drafts(session, gone)

    while True:
        async with database.session(within=60) as session:
            old = await list_drafts_before(session, horizon, after, BATCH, spared)
        await work_through(database, "forget", [draft.id for draft in old], forget)
        if len(old) < BATCH:
            return forgotten
        after = (old[-1].started_at, old[-1].id)


async def _make_mine(session: AsyncSession) -> None:
    """Make this the one transaction that forgets, and have no notes taken: the days' sums are final."""
    if not await try_lock(session, AdvisoryLock.FORGET):
        raise Conflict("another replica forgets")
    await session.execute(text("SET LOCAL tagalong.forgetting = on"))
