"""Forgetting drafts, with all that hangs on them, after 400 days; the rates of older days stay as daily sums."""

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.sums import finish_days
from backend.database import Database
from backend.deployments.service import forget_assignments
from backend.feedback.service import forget_old_events, forget_old_refusals
from backend.suggestions.service import forget_drafts, list_drafts_before

KEPT_FOR = timedelta(days=400)

FORGET_EVERY = 3600.0

# Drafts, or refused events, in one transaction: few enough for it to be short.
BATCH = 1000

# Any number that no other user of the database takes as an advisory lock.
FORGET_LOCK = 8600_0014


async def forget_old(database: Database, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Forget the drafts of which everything is older than 400 days, and the arms of experiments that ended before.

    The sums of those days are made final first; until all of them are there, nothing is forgotten. A draft with
    anything younger in it stays whole. Of several replicas at once, one does the work. Returns how many drafts went.
    """
    horizon = datetime.combine(now().astimezone(UTC).date() - KEPT_FOR, time.min, UTC)
    async with database.session(within=60) as session:
        if not await _is_mine(session) or not await finish_days(session, horizon.date()):
            return 0
        await forget_assignments(session, horizon)
    forgotten = 0
    after: tuple[datetime, UUID] | None = None
    while True:
        async with database.session(within=60) as session:
            if not await _is_mine(session):
                return forgotten
            # The days' sums are final: their triggers need not note that rows go.
            await session.execute(text("SET LOCAL tagalong.forgetting = on"))
            old = await list_drafts_before(session, horizon, after, BATCH)
            gone = await forget_old_events(session, [draft.id for draft in old], horizon)
            forgotten += await forget_drafts(session, gone)
            refused = await forget_old_refusals(session, horizon, BATCH)
        if old:
            after = (old[-1].started_at, old[-1].id)
        if len(old) < BATCH and refused < BATCH:
            return forgotten


async def _is_mine(session: AsyncSession) -> bool:
    return bool(await session.scalar(text("SELECT pg_try_advisory_xact_lock(:key)"), {"key": FORGET_LOCK}))
