"""Background jobs that skip what they can't do: one bad day, draft or row holds up no other.

What failed is skipped, logged, counted, and kept in a table until it has been done: `check` shows it, and the job comes
back to it.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Literal, TypeVar

from sqlalchemy import Text, delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from backend.postgres.base import Moment, Table
from backend.postgres.database import Conflict, Database, DatabaseAway
from backend.web.logs import summarise_error
from backend.web.metrics import SKIPPED

log = logging.getLogger(__name__)

Subject = TypeVar("Subject")
Job = Literal["sum up", "settle", "forget"]

# How long a job waits before it retries what failed.
RETRY_AFTER = timedelta(hours=1)


class Skipped(Table):
    """A day or a draft that a job has skipped.

    Attributes:
        job: which one.
        subject: the day, or the draft's id.
        since: when it failed first.
        tried_at: when it failed last.
        attempts: how often it failed.
        reason: the error's name and SQLSTATE, without its message.
    """

    __tablename__ = "skipped"

    job: Mapped[str] = mapped_column(Text, primary_key=True)
    subject: Mapped[str] = mapped_column(Text, primary_key=True)
    since: Mapped[Moment]
    tried_at: Mapped[Moment]
    attempts: Mapped[int]
    reason: Mapped[str] = mapped_column(Text)


async def work_through(
    database: Database,
    job: Job,
    subjects: Sequence[Subject],
    work: Callable[[AsyncSession, Sequence[Subject]], Awaitable[None]],
) -> list[Subject]:
    """Do ``work`` on all subjects in one transaction, or, if that fails, on each half; return those it was done on.

    A single subject that fails is noted and skipped.

    Raises:
        Conflict: another replica does the same.
        DatabaseAway: nothing can be done at all.
    """
    if not subjects:
        return []
    try:
        async with database.session(within=60) as session:
            await work(session, subjects)
            is_done = Skipped.job == job, Skipped.subject.in_([str(subject) for subject in subjects])
            await session.execute(delete(Skipped).where(*is_done))
        return list(subjects)
    except (Conflict, DatabaseAway):
        raise
    except Exception as error:  # whatever is wrong with one of them, the others may be fine
        if len(subjects) == 1:
            await _note(database, job, str(subjects[0]), error)
            return []
    half = len(subjects) // 2
    first = await work_through(database, job, subjects[:half], work)
    return first + await work_through(database, job, subjects[half:], work)


async def _note(database: Database, job: Job, subject: str, error: Exception) -> None:
    root: BaseException = error
    while root.__cause__ is not None:
        root = root.__cause__
    reason, now = summarise_error(root), datetime.now(UTC)
    # The log names no draft.
    log.error("a part of the job %r failed and is skipped, to be tried again: %s", job, reason)
    SKIPPED.labels(job).inc()
    row = insert(Skipped).values(job=job, subject=subject, since=now, tried_at=now, attempts=1, reason=reason)
    changes = {"tried_at": now, "attempts": Skipped.attempts + 1, "reason": reason}
    async with database.session() as session:
        await session.execute(row.on_conflict_do_update(index_elements=["job", "subject"], set_=changes))


async def list_skipped(session: AsyncSession, job: Job, since: datetime | None = None) -> list[str]:
    """Return what a job has skipped; with ``since``, only what it has tried after that."""
    statement = select(Skipped.subject).where(Skipped.job == job)
    return list(await session.scalars(statement if since is None else statement.where(Skipped.tried_at > since)))
