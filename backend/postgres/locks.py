"""Advisory locks: which of several replicas does a job that must be done by one at a time.

PostgreSQL gives such a lock for a number that means nothing to it, and takes it back at the end of the transaction.
"""

from enum import IntEnum
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession


class AdvisoryLock(IntEnum):
    """The numbers that the service locks. Replicas of different versions meet in them: they never change."""

    MIGRATE = 8600_0001
    ANONYMISE = 8600_0002
    EVALUATE_ALERTS = 8600_0003
    DEPLOY = 8600_0004
    EVALUATE_EXPERIMENT = 8600_0005
    ROLL_UP = 8600_0013
    FORGET = 8600_0014
    INSTALL = 8600_0015


async def try_lock(session: AsyncSession | AsyncConnection, lock: AdvisoryLock) -> bool:
    """Take a lock until the end of the transaction, and return True; return False if another transaction has it."""
    taken: bool | None = await session.scalar(text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": int(lock)})
    return bool(taken)


async def wait_for_lock(session: AsyncSession | AsyncConnection, lock: AdvisoryLock) -> None:
    """Take a lock until the end of the transaction, once every other transaction has given it back."""
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": int(lock)})


async def lock_install(session: AsyncSession, install_id: UUID) -> None:
    """Take the lock of one install until the end of the transaction: its batches then come one after the other."""
    values = {"lock": int(AdvisoryLock.INSTALL), "install": str(install_id)}
    await session.execute(text("SELECT pg_advisory_xact_lock(:lock, hashtext(:install))"), values)
