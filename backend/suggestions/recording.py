"""The record of an answer, which may fail alone: chips never wait long for the database."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

from sqlalchemy import BindParameter, ColumnElement, TableClause, bindparam, exists, insert, or_, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from backend.database import Database, DatabaseAway, DatabaseUnavailable
from backend.deployments.arms import Exposure
from backend.deployments.tables import Assignment
from backend.problems import Problem
from backend.suggestions.order import Order
from backend.suggestions.schemas import DraftState
from backend.suggestions.tables import Draft, Suggestion
from model.classifier import Suggested, name_in_use

# Chips must not wait for a slow database: past this the answer goes out unrecorded. Seconds.
RECORD_WITHIN = 1.0

# Which parameter of the statement goes into which column.
DRAFT_PARAMETERS = {"id": "draft_id", "started_at": "now"} | {
    name: name for name in ("install_id", "kind", "site", "page", "extension_version", "model_version", "deployment_id")
}
ASSIGNMENT_PARAMETERS = {"first_exposed_at": "now"} | {
    name: name for name in ("deployment_id", "install_id", "arm", "share")
}
SUGGESTION_PARAMETERS = {"id": "suggestion_id", "created_at": "now"} | {
    name: name
    for name in (
        "draft_id",
        "model_version",
        "deployment_id",
        "latency_ms",
        "title_chars",
        "body_chars",
        "chosen_tags",
        "tags",
        "names",
        "scores",
        "confident",
        "order",
    )
}


def _recording() -> ReturningInsert[tuple[UUID]]:
    """The statement that records an answer, with its first one the draft, and with an install's first one its arm.

    One statement for all rows, since each more is a way to the database and back; put together once, since
    that takes longer than running it. It gives no row if the draft is another install's.
    """
    drafts, suggestions = cast(TableClause, Draft.__table__), cast(TableClause, Suggestion.__table__)
    assignments = cast(TableClause, Assignment.__table__)

    def given(table: TableClause, parameters: dict[str, str]) -> dict[str, BindParameter[Any]]:
        return {name: _given(table.c[name], parameter) for name, parameter in parameters.items()}

    begun = (
        upsert(drafts)
        .values(given(drafts, DRAFT_PARAMETERS))
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(drafts.c.id)
        .cte("begun")
    )
    own = or_(
        exists(select(begun.c.id)),
        exists().where(
            drafts.c.id == _given(drafts.c.id, "draft_id"),
            drafts.c.install_id == _given(drafts.c.install_id, "install_id"),
        ),
    )
    exposed = select(*given(assignments, ASSIGNMENT_PARAMETERS).values())
    assigned = (
        upsert(assignments)
        .from_select(list(ASSIGNMENT_PARAMETERS), exposed.where(own, _given(assignments.c.arm, "arm").is_not(None)))
        .on_conflict_do_nothing(index_elements=["deployment_id", "install_id"])
        .cte("assigned")
    )
    row = select(*given(suggestions, SUGGESTION_PARAMETERS).values())
    return (
        insert(suggestions)
        .from_select(list(SUGGESTION_PARAMETERS), row.where(own))
        .returning(suggestions.c.id)
        .add_cte(assigned)
    )


def _given(column: ColumnElement[Any], parameter: str) -> BindParameter[Any]:
    return bindparam(parameter, type_=column.type)


RECORDING = _recording()
_compiled = RECORDING.compile(dialect=dialect())  # type: ignore[no-untyped-call]
RECORDING_TEXT = str(_compiled)
PARAMETERS = tuple(_compiled.positiontup or ())
"""The statement as PostgreSQL gets it, and its parameters in their order."""


def values_of(
    draft: DraftState,
    suggested: Sequence[Suggested],
    version: str,
    latency_ms: float,
    now: datetime,
    exposure: Exposure | None,
    order: Order,
) -> dict[str, Any]:
    """The statement's parameters for one answer given ``now``."""
    tags = [each.tag for each in suggested]
    names = [name_in_use(tag) for tag in tags]
    return {
        "suggestion_id": uuid4(),
        "draft_id": draft.draft_id,
        "install_id": draft.install_id,
        "kind": draft.kind,
        "site": draft.site,
        "page": draft.page,
        "extension_version": draft.extension_version,
        "model_version": version,
        "deployment_id": exposure and exposure.deployment_id,
        "arm": exposure and exposure.arm,
        "share": exposure and exposure.share,
        "now": now,
        "latency_ms": latency_ms,
        "title_chars": len(draft.title),
        "body_chars": len(draft.body),
        "chosen_tags": draft.chosen_tags,
        "tags": tags,
        "names": None if names == tags else names,
        "scores": [each.score for each in suggested],
        "confident": sum(each.confident for each in suggested),
        "order": order,
    }


def another_installs_draft() -> Problem:
    """The answer to who writes to a draft that another install has begun."""
    return Problem(
        409,
        "Another install's draft",
        "This draft_id was begun by another install. Begin a new draft with an id of its own.",
    )


# A draft that another request has just begun is in the way of the first attempt, but not in its sight.
ATTEMPTS = 2


async def record(
    session: AsyncSession,
    draft: DraftState,
    suggested: Sequence[Suggested],
    version: str,
    latency_ms: float,
    now: datetime,
    exposure: Exposure | None = None,
    order: Order = "model",
) -> UUID:
    """Record one answer given ``now`` in the session's transaction; return the suggestion's id.

    ``suggested`` is best first, in whatever ``order`` the chips are shown.

    Raises:
        Problem: 409, the draft belongs to another install.
    """
    values = values_of(draft, suggested, version, latency_ms, now, exposure, order)
    for _ in range(ATTEMPTS):
        recorded: UUID | None = await session.scalar(RECORDING, values)
        if recorded is not None:
            return recorded
    raise another_installs_draft()


class Recorder:
    """Records answers within a second, or not at all.

    All answers that wait while the last ones are written go into the next transaction together: one way to the
    database and one wait for its disk, however many they are. An answer goes out when it is on the disk, since events
    that speak of a suggestion which a crash has lost would be refused.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: list[_Recording] = []
        self._writing: asyncio.Task[None] | None = None

    async def record_in_time(
        self,
        draft: DraftState,
        suggested: Sequence[Suggested],
        version: str,
        latency_ms: float,
        exposure: Exposure | None = None,
        order: Order = "model",
    ) -> UUID | None:
        """Record an answer; None if the database is away or slow.

        Raises:
            Problem: 409, the draft belongs to another install.
        """
        recording = _Recording(values_of(draft, suggested, version, latency_ms, datetime.now(UTC), exposure, order))
        self._waiting.append(recording)
        if self._writing is None:
            # In a context of its own: what it logs is about many answers, and not about the request that began it.
            self._writing = asyncio.create_task(self._write(), context=Context())
        try:
            async with asyncio.timeout(RECORD_WITHIN):
                return await recording.done
        except TimeoutError:
            return None

    async def _write(self) -> None:
        """Write what waits, until nothing does."""
        try:
            while self._waiting:
                # Whose time is up has been answered. In the order of drafts, so that replicas can't deadlock.
                taken = [each for each in self._waiting if not each.done.done()]
                self._waiting = []
                await self._write_together(sorted(taken, key=lambda each: each.draft_id))
        finally:
            self._writing = None

    async def _write_together(self, recordings: Sequence["_Recording"]) -> None:
        """Write some answers in one transaction; if one of them spoils it, each in its own."""
        try:
            left = recordings
            for _ in range(ATTEMPTS):
                left = await self._attempt(left)
            for each in left:
                each.fail(another_installs_draft())
        except DatabaseAway:
            for each in recordings:
                each.end(None)
        except Exception as error:
            if len(recordings) == 1:
                recordings[0].give_up(error)
                return
            for each in recordings:
                if not each.done.done():
                    await self._write_together([each])

    async def _attempt(self, recordings: Sequence["_Recording"]) -> list["_Recording"]:
        """Write some answers; return those that could not be, for their drafts are others'."""
        if not recordings:
            return []
        rows = [each.row for each in recordings]
        written = {id for (id,) in await self._database.fetch_many(RECORDING_TEXT, rows, within=RECORD_WITHIN)}
        for each in recordings:
            if each.suggestion_id in written:
                each.end(each.suggestion_id)
        return [each for each in recordings if each.suggestion_id not in written]


class _Recording:
    """An answer that waits for its record."""

    def __init__(self, values: dict[str, Any]) -> None:
        self.draft_id: UUID = values["draft_id"]
        self.suggestion_id: UUID = values["suggestion_id"]
        self.row = [values[name] for name in PARAMETERS]
        self.done: asyncio.Future[UUID | None] = asyncio.get_running_loop().create_future()

    def end(self, recorded: UUID | None) -> None:
        """Say what became of it, unless its time is up."""
        if not self.done.done():
            self.done.set_result(recorded)

    def give_up(self, error: Exception) -> None:
        """Say that it could not be written alone either: nobody's fault, or one of ours."""
        if isinstance(error, DatabaseUnavailable):
            self.end(None)
        else:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Say that it failed, unless its time is up."""
        if not self.done.done():
            self.done.set_exception(error)
