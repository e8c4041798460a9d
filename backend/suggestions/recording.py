"""Recording answers: many in one transaction, and never for long, since chips wait for it."""

import asyncio
from collections.abc import Sequence
from contextvars import Context
from datetime import UTC, datetime
from typing import Any, Literal
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, TextClause, bindparam, select, text
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.router import Exposure
from backend.deployments.tables import Assignment
from backend.drafts.addresses import ADMIT, NO_LIMITS, AddressHasher, AddressLimits
from backend.drafts.tables import Draft, Newcomer, Suggestion
from backend.postgres.database import Database, DatabaseAway, DatabaseUnavailable
from backend.suggestions.display_order import Order
from backend.suggestions.schemas import DraftState
from backend.web.problems import Problem
from model.serving import Suggested, name_in_use

# Chips must not wait for a slow database: after this the answer goes out unrecorded. Seconds.
RECORD_WITHIN = 1.0

# Records an answer; with a draft's first answer the draft, and with an install's first one its arm. One statement for
# all rows, since each statement is one more round trip. It returns no row if the draft is another install's or full, or
# if it would be new and its address has started as many installs or drafts today as it may; only new ones are counted.
# The row of the address is locked before any draft's. A draft that was taken out of its experiment, since the device
# has answered it too, stays out of it.
RECORD = f"""
WITH admitted AS ({ADMIT}), begun AS (
    INSERT INTO draft (id, install_id, kind, site, page, extension_version, model_version, started_at, deployment_id)
    SELECT :draft_id, :install_id, :kind, :site, :page, :extension_version, :model_version, :now, :deployment_id
    WHERE :address IS NULL OR EXISTS (SELECT FROM admitted)
    ON CONFLICT (id) DO NOTHING
    RETURNING id, deployment_id
), own AS (
    SELECT id, deployment_id FROM begun
    UNION ALL
    SELECT id, deployment_id FROM draft
    WHERE id = :draft_id AND install_id = :install_id
        AND NOT EXISTS (SELECT FROM suggestion WHERE draft_id = :draft_id OFFSET :most_suggestions - 1)
), assigned AS (
    INSERT INTO assignment (deployment_id, install_id, arm, share, first_exposed_at, crowd)
    SELECT :deployment_id, :install_id, :arm, :share, :now, coalesce(
        (SELECT crowd FROM admitted),
        (SELECT crowd FROM newcomer WHERE day = :day AND address = :address)
    )
    WHERE :arm IS NOT NULL AND EXISTS (SELECT FROM own WHERE deployment_id = :deployment_id)
    ON CONFLICT (deployment_id, install_id) DO NOTHING
)
INSERT INTO suggestion (id, draft_id, model_version, deployment_id, created_at, latency_ms, title_chars, body_chars,
    chosen_tags, tags, names, scores, confident, "order")
SELECT :suggestion_id, :draft_id, :model_version,
    (SELECT deployment_id FROM own WHERE deployment_id = :deployment_id), :now, :latency_ms, :title_chars, :body_chars,
    :chosen_tags, :tags, :names, :scores, :confident, :order
WHERE EXISTS (SELECT FROM own)
RETURNING id
"""

# The column that each parameter goes into, which gives its type; most are named as their columns.
TYPES: dict[str, ColumnElement[Any]] = {
    **{column.name: column for table in (Draft, Assignment, Suggestion) for column in table.__table__.c},
    "suggestion_id": Suggestion.__table__.c.id,
    "now": Draft.__table__.c.started_at,
    "day": Newcomer.__table__.c.day,
    "address": Newcomer.__table__.c.address,
    **dict.fromkeys(("most_installs", "most_drafts", "most_suggestions"), Newcomer.__table__.c.drafts),
}


def _with_types(statement: str) -> TextClause:
    names = text(statement).compile().params
    return text(statement).bindparams(*(bindparam(name, type_=TYPES[name].type) for name in names))


RECORDING = _with_types(RECORD)
_compiled = RECORDING.compile(dialect=dialect())  # type: ignore[no-untyped-call]
RECORDING_TEXT = str(_compiled)
PARAMETERS = tuple(_compiled.positiontup or ())
"""The statement as PostgreSQL gets it, and its parameters in their order."""


# Why an answer was not recorded: the database is unavailable or slow; its draft has as many answers as it may have; its
# address has started as many installs or drafts today as it may.
Unrecorded = Literal["unrecorded", "draft_full", "over_bounds"]


def make_values(
    draft: DraftState,
    suggested: Sequence[Suggested],
    version: str,
    latency_ms: float,
    now: datetime,
    exposure: Exposure | None,
    order: Order,
    limits: AddressLimits = NO_LIMITS,
) -> dict[str, Any]:
    """Return the statement's parameters for one answer given ``now``, all but its address."""
    tags = [tag.tag for tag in suggested]
    names = [name_in_use(tag) for tag in tags]
    return limits.parameters | {
        "day": now.astimezone(UTC).date(),
        "address": None,
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
        "scores": [tag.score for tag in suggested],
        "confident": sum(tag.confident for tag in suggested),
        "order": order,
    }


def foreign_draft_problem() -> Problem:
    """Return the answer to an install that writes to another install's draft."""
    return Problem(
        409,
        "Another install's draft",
        "This draft_id was begun by another install. Begin a new draft with an id of its own.",
    )


# The first attempt may conflict with a draft that another request has just started and that it can't see yet.
ATTEMPTS = 2


async def record_answer(
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
    values = make_values(draft, suggested, version, latency_ms, now, exposure, order)
    for _ in range(ATTEMPTS):
        recorded: UUID | None = await session.scalar(RECORDING, values)
        if recorded is not None:
            return recorded
    raise foreign_draft_problem()


class Recorder:
    """Records answers within a second, or not at all.

    All answers that wait while the last ones are written go into the next transaction together: one round trip and one
    wait for the disk, however many they are. An answer goes out once it is on the disk, since events about a suggestion
    that a crash has lost would be refused.
    """

    def __init__(self, database: Database, hasher: AddressHasher | None = None) -> None:
        self._database = database
        self._hasher = hasher or AddressHasher(database)
        self._waiting: list[_Recording] = []
        self._writing: asyncio.Task[None] | None = None

    async def record(
        self,
        draft: DraftState,
        suggested: Sequence[Suggested],
        version: str,
        latency_ms: float,
        exposure: Exposure | None = None,
        order: Order = "model",
        client: str = "",
    ) -> UUID | Unrecorded:
        """Record an answer to a client (see `backend.web.clients`); return the suggestion's id, or why there is none.

        Raises:
            Problem: 409, the draft belongs to another install.
        """
        now = datetime.now(UTC)
        values = make_values(draft, suggested, version, latency_ms, now, exposure, order, self._hasher.limits)
        recording = _Recording(values, client)
        self._waiting.append(recording)
        if self._writing is None:
            # In a context of its own: what it logs is about many answers, not about the request that started it.
            self._writing = asyncio.create_task(self._write(), context=Context())
        try:
            async with asyncio.timeout(RECORD_WITHIN):
                return await recording.done
        except TimeoutError:
            return "unrecorded"

    async def _write(self) -> None:
        """Write the waiting answers until none is left."""
        try:
            while self._waiting:
                # Those that timed out have been answered already.
                batch = [recording for recording in self._waiting if not recording.done.done()]
                self._waiting = []
                try:
                    await self._hash_addresses(batch)
                except DatabaseUnavailable:
                    for recording in batch:
                        recording.end("unrecorded")
                    continue
                # In the order of their locks, so that replicas can't deadlock.
                batch.sort(key=lambda recording: (recording.values["address"] or b"", recording.draft_id))
                await self._write_batch(batch)
        finally:
            self._writing = None

    async def _hash_addresses(self, recordings: Sequence["_Recording"]) -> None:
        for recording in recordings:
            sender = await self._hasher.identify(recording.client, recording.values["now"])
            recording.values["address"] = sender.address

    async def _write_batch(self, recordings: Sequence["_Recording"]) -> None:
        """Write some answers in one transaction; if one of them makes it fail, each in its own."""
        try:
            left = recordings
            for _ in range(ATTEMPTS):
                left = await self._attempt(left)
            if left:
                await self._explain(left)
        except DatabaseAway:
            for recording in recordings:
                recording.end("unrecorded")
        except Exception as error:
            if len(recordings) == 1:
                recordings[0].give_up(error)
                return
            for recording in recordings:
                if not recording.done.done():
                    await self._write_batch([recording])

    async def _attempt(self, recordings: Sequence["_Recording"]) -> list["_Recording"]:
        """Write some answers; return those that could not be written."""
        if not recordings:
            return []
        rows = [[recording.values[name] for name in PARAMETERS] for recording in recordings]
        written = {id for (id,) in await self._database.fetch_many(RECORDING_TEXT, rows, within=RECORD_WITHIN)}
        for recording in recordings:
            if recording.suggestion_id in written:
                recording.end(recording.suggestion_id)
        return [recording for recording in recordings if recording.suggestion_id not in written]

    async def _explain(self, recordings: Sequence["_Recording"]) -> None:
        """End recordings that the statement refused, each with the reason."""
        ids = [recording.draft_id for recording in recordings]
        async with self._database.session(within=RECORD_WITHIN) as session:
            rows = await session.execute(select(Draft.id, Draft.install_id).where(Draft.id.in_(ids)))
            owners = {row.id: row.install_id for row in rows}
        for recording in recordings:
            owner = owners.get(recording.draft_id)
            if owner is None:
                recording.end("over_bounds")
            elif owner == recording.values["install_id"]:
                recording.end("draft_full")
            else:
                recording.fail(foreign_draft_problem())


class _Recording:
    """An answer to a client that waits for its record."""

    def __init__(self, values: dict[str, Any], client: str) -> None:
        self.draft_id: UUID = values["draft_id"]
        self.suggestion_id: UUID = values["suggestion_id"]
        self.values, self.client = values, client
        self.done: asyncio.Future[UUID | Unrecorded] = asyncio.get_running_loop().create_future()

    def end(self, recorded: UUID | Unrecorded) -> None:
        """Report what became of it, unless it has timed out."""
        if not self.done.done():
            self.done.set_result(recorded)

    def give_up(self, error: Exception) -> None:
        """Report that it could not be written alone either."""
        if isinstance(error, DatabaseUnavailable):
            self.end("unrecorded")
        else:
            self.fail(error)

    def fail(self, error: Exception) -> None:
        """Report that it failed, unless it has timed out."""
        if not self.done.done():
            self.done.set_exception(error)
