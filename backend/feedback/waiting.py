"""Events about a device's answer that came before it: they wait for it, and enter no rate until it is there."""

import json
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter
from sqlalchemy import delete, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.feedback.arrivals import UNKNOWN_SUGGESTION, Arrival
from backend.feedback.schemas import AnyEvent
from backend.feedback.tables import Refused, WaitingEvent
from backend.postgres.base import as_dict
from backend.postgres.database import Database

# An extension keeps a draft for 7 days, and sends what it has of it within a day more.
WAIT_AT_MOST = timedelta(days=8)

REFUSE_EVERY = 3600.0

REFUSE = text("""
WITH given_up AS (
    DELETE FROM waiting_event WHERE received_at < now() - CAST(:period AS interval)
    RETURNING id, install_id, sequence, received_at
)
INSERT INTO refused (id, install_id, sequence, reason, received_at)
SELECT id, install_id, sequence, :reason, received_at FROM given_up
ON CONFLICT DO NOTHING
""")

EVENTS: TypeAdapter[AnyEvent] = TypeAdapter(AnyEvent)

WITHOUT_NUMBER = WaitingEvent.content.concat({"question_id": None})


async def take_waiting_events(
    session: AsyncSession, install_id: UUID, drafts: Collection[UUID]
) -> list[tuple[AnyEvent, Arrival]]:
    """Remove an install's events about some drafts from those that wait; return them, and how each came."""
    if not drafts:
        return []
    statement = delete(WaitingEvent).where(WaitingEvent.draft_id.in_(drafts), WaitingEvent.install_id == install_id)
    return [
        (EVENTS.validate_json(json.dumps(row.content)), Arrival(install_id, row.sent_at, row.received_at))
        for row in await session.scalars(statement.returning(WaitingEvent))
    ]


async def insert_waiting(session: AsyncSession, events: Iterable[tuple[AnyEvent, Arrival]]) -> list[UUID]:
    """Store events that wait; return the ids of those that were not known yet."""
    rows = [
        {
            "id": event.id,
            "install_id": arrival.install_id,
            "sequence": event.sequence,
            "draft_id": event.draft_id,
            "content": event.model_dump(mode="json"),
            "sent_at": arrival.sent_at,
            "received_at": arrival.received_at,
        }
        for event, arrival in events
    ]
    if not rows:
        return []
    statement = insert(WaitingEvent).values(sorted(rows, key=lambda row: row["id"]))
    return list(await session.scalars(statement.on_conflict_do_nothing().returning(WaitingEvent.id)))


async def list_given_up(session: AsyncSession, events: Iterable[AnyEvent]) -> set[UUID]:
    """Return the ids of those events that were refused before, as those are that waited too long."""
    ids = [event.id for event in events]
    return set(await session.scalars(select(Refused.id).where(Refused.id.in_(ids)))) if ids else set()


async def refuse_unanswered_events(database: Database) -> None:
    """Refuse the events that have waited too long for the answer that they are about."""
    values = {"period": WAIT_AT_MOST, "reason": UNKNOWN_SUGGESTION}
    async with database.session(within=60) as session:
        await session.execute(REFUSE, values)


async def export_waiting(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return the events of an install that wait, in their order."""
    rows = await session.scalars(
        select(WaitingEvent).where(WaitingEvent.install_id == install_id).order_by(WaitingEvent.sequence)
    )
    return [as_dict(row) for row in rows]


async def reassign_waiting(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Replace an install's id in its events that wait, and drop question numbers; return how many there were."""
    result = await session.execute(
        update(WaitingEvent)
        .where(WaitingEvent.install_id == install_id)
        .values(install_id=anonymous_id, content=WITHOUT_NUMBER)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]
