"""Stored events: exported and reassigned by install, and deleted for their age or with their drafts."""

from collections.abc import Collection, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.feedback.tables import NUMBERED, Event, Item, Numbering, Refused, WaitingEvent
from backend.postgres.base import as_dict, day_of


async def export_events(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return all events of an install, in their order."""
    events = await session.scalars(
        select(Event).where(Event.install_id == install_id).order_by(Event.sequence, Event.id)
    )
    return [as_dict(event) for event in events]


async def export_items(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return what the install's events project to: its offered tags, and what became of each."""
    drafts = select(Event.draft_id).where(Event.install_id == install_id)
    items = await session.scalars(select(Item).where(Item.draft_id.in_(drafts)).order_by(Item.draft_id, Item.tag))
    return [as_dict(item) for item in items]


async def export_refused(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return the refused events of an install, in their order."""
    refused = await session.scalars(
        select(Refused).where(Refused.install_id == install_id).order_by(Refused.sequence, Refused.id)
    )
    return [as_dict(event) for event in refused]


async def export_numbering(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return up to which number an install's events were deleted for their age, if any were."""
    return [as_dict(row) for row in await session.scalars(select(Numbering).where(Numbering.install_id == install_id))]


async def reassign_events(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Replace an install's id in its events, and drop question numbers from them; return how many events there were."""
    events = await session.execute(
        update(Event).where(Event.install_id == install_id).values(install_id=anonymous_id, question_id=None)
    )
    refused = await session.execute(
        update(Refused).where(Refused.install_id == install_id).values(install_id=anonymous_id)
    )
    await session.execute(update(Numbering).where(Numbering.install_id == install_id).values(install_id=anonymous_id))
    return int(events.rowcount + refused.rowcount)  # type: ignore[attr-defined]


async def delete_events(session: AsyncSession, drafts: Sequence[UUID] | Select[UUID]) -> None:
    """Delete the events and items of drafts."""
    for table in (Item, Event, WaitingEvent):
        await session.execute(delete(table).where(table.draft_id.in_(drafts)))


async def delete_old_events(
    session: AsyncSession, drafts: Sequence[UUID], before: datetime, spared: Collection[date] = ()
) -> list[UUID]:
    """Delete the events and items of those drafts of which no event has come since ``before``; return these drafts.

    The highest number of each install stays known, so that no event looks lost. Events of ``spared`` days stay, and
    with them all events of installs from which an event came on such a day.
    """
    needed = [Event.received_at >= before]
    if spared:
        needed += [day_of(Event.at).in_(spared), Event.install_id.in_(_select_active_installs(spared))]
    staying = set(
        await session.scalars(select(Event.draft_id).distinct().where(Event.draft_id.in_(drafts), or_(*needed)))
    )
    gone = [draft for draft in drafts if draft not in staying]
    await _keep_highest_sequences(session, Event, Event.draft_id.in_(gone))
    await delete_events(session, gone)
    return gone


def _select_active_installs(days: Collection[date]) -> Select[UUID]:
    """Return a query for the installs from which an event came on one of some days, refused ones included."""
    installs = (select(table.install_id).where(day_of(table.received_at).in_(days)) for table in NUMBERED)
    return select(union(*installs).subquery().c.install_id)


async def delete_old_refusals(
    session: AsyncSession, before: datetime, limit: int, spared: Collection[date] = ()
) -> int:
    """Delete refused events that came before a moment, oldest first; return how many.

    Those of installs from which an event came on ``spared`` days stay.
    """
    statement = select(Refused.id).where(Refused.received_at < before).order_by(Refused.received_at).limit(limit)
    if spared:
        statement = statement.where(Refused.install_id.not_in(_select_active_installs(spared)))
    gone = list(await session.scalars(statement))
    await _keep_highest_sequences(session, Refused, Refused.id.in_(gone))
    await session.execute(delete(Refused).where(Refused.id.in_(gone)))
    return len(gone)


async def _keep_highest_sequences(
    session: AsyncSession, table: type[Event] | type[Refused], gone: ColumnElement[bool]
) -> None:
    """Store the highest number of each install among rows that are about to be deleted."""
    highest = select(table.install_id, func.max(table.sequence)).where(gone).group_by(table.install_id)
    statement = insert(Numbering).from_select(["install_id", "sequence"], highest)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["install_id"],
            set_={"sequence": func.greatest(Numbering.sequence, statement.excluded.sequence)},
        )
    )
