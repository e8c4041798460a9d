"""Taking events in: judged, stored once, and projected to items in the same transaction."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, delete, func, or_, select, union, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.drafts.service import KnownDraft, KnownSuggestion, lock_drafts
from backend.feedback.projection import project_items, project_posts
from backend.feedback.schemas import AnyEvent, EventBatch, Posted, Receipt, RefusedEvent, Viewed
from backend.feedback.tables import MAX_EVENTS_OF_DRAFT, MAX_GAP, MAX_SEQUENCE, Event, Item, Numbering, Refused
from backend.postgres.base import as_dict, day_of
from model.serving import name_in_use

UNKNOWN_DRAFT = "unknown_draft"
UNKNOWN_SUGGESTION = "unknown_suggestion"
UNKNOWN_TAG = "unknown_tag"
NOT_OFFERED = "not_offered"
WRONG_SITE = "wrong_site"
ABSURD_SEQUENCE = "absurd_sequence"
DRAFT_FULL = "draft_full"


async def take(session: AsyncSession, batch: EventBatch, received_at: datetime) -> Receipt:
    """Store a batch of events, and bring the items and posts that they speak of up to date."""
    drafts, suggestions = await lock_drafts(session, {event.draft_id for event in batch.events})
    beyond = await find_beyond_bounds(session, batch)

    rows: dict[UUID, dict[str, Any]] = {}
    refused: dict[UUID, dict[str, Any]] = {}
    for event in batch.events:
        if event.id in rows or event.id in refused:
            continue  # the same id once more in one batch, whatever it says
        reason = why_refused(event, batch.install_id, drafts, suggestions) or beyond.get(event.id)
        if reason:
            refused[event.id] = refused_row(event, batch.install_id, reason, received_at)
        else:
            rows[event.id] = event_row(event, batch, received_at, drafts, suggestions)
    new = await insert_events(session, list(rows.values()))
    await insert_refused(session, list(refused.values()))

    if acted := {rows[each]["draft_id"] for each in new if rows[each]["kind"] != "posted"}:
        await project_items(session, acted)
    if posted := {rows[each]["draft_id"] for each in new if rows[each]["kind"] == "posted"}:
        await project_posts(session, posted)

    known = sum(event.id not in refused for event in batch.events) - len(new)
    return Receipt(
        new=len(new),
        known=known,
        refused=[RefusedEvent(id=each, reason=row["reason"]) for each, row in refused.items()],
    )


async def find_beyond_bounds(session: AsyncSession, batch: EventBatch) -> dict[UUID, str]:
    """Return why some events are too much: their numbers are absurd, or their drafts are full. Of a full draft, events
    that are known already are not among them.
    """
    beyond = dict.fromkeys(await _find_absurd(session, batch), ABSURD_SEQUENCE)
    drafts = {event.draft_id for event in batch.events}
    counted = select(Event.draft_id, func.count().label("n")).where(Event.draft_id.in_(drafts)).group_by(Event.draft_id)
    stored: Counter[UUID] = Counter({row.draft_id: row.n for row in await session.execute(counted)})
    if max(stored.values(), default=0) + len(batch.events) <= MAX_EVENTS_OF_DRAFT:
        return beyond
    known = set(await session.scalars(select(Event.id).where(Event.id.in_([event.id for event in batch.events]))))
    for event in batch.events:
        if event.id in known:
            continue
        stored[event.draft_id] += 1
        if stored[event.draft_id] > MAX_EVENTS_OF_DRAFT:
            beyond.setdefault(event.id, DRAFT_FULL)
    return beyond


async def _find_absurd(session: AsyncSession, batch: EventBatch) -> list[UUID]:
    """Return the events whose numbers nobody can have given out, however many were lost before them."""
    events = sorted(batch.events, key=lambda event: event.sequence)
    if not events or events[-1].sequence <= MAX_GAP:
        return []
    highest = await _find_highest_number(session, batch.install_id)
    absurd = []
    for event in events:
        # Of an install that nothing is known of, the rows may have been lost with a database.
        reach = MAX_SEQUENCE if highest is None else min(MAX_SEQUENCE, highest + MAX_GAP)
        if event.sequence > reach:
            absurd.append(event.id)
        else:
            highest = max(highest or 0, event.sequence)
    return absurd


async def _find_highest_number(session: AsyncSession, install_id: UUID) -> int | None:
    """Return the highest number known of an install, that of forgotten events included."""
    highest = (
        select(func.max(table.sequence)).where(table.install_id == install_id).scalar_subquery()
        for table in (Event, Refused, Numbering)
    )
    found: int | None = await session.scalar(select(func.greatest(*highest)))
    return found


def why_refused(
    event: AnyEvent,
    install_id: UUID,
    drafts: Mapping[UUID, KnownDraft],
    suggestions: Mapping[UUID, KnownSuggestion],
) -> str | None:
    """Why an event can't be true: it names a draft, suggestion or tag that we never gave this install."""
    draft = drafts.get(event.draft_id)
    if draft is None or draft.install_id != install_id:
        return UNKNOWN_DRAFT
    if isinstance(event, Posted):
        return None if event.site == draft.site else WRONG_SITE
    suggestion = suggestions.get(event.suggestion_id)
    if suggestion is None or suggestion.draft_id != event.draft_id:
        return UNKNOWN_SUGGESTION
    if event.tag not in suggestion.names:
        return UNKNOWN_TAG
    # A tag that was given but never confident was never shown: nobody can have acted on it.
    return None if event.tag in draft.offered else NOT_OFFERED


def corrected(occurred_at: datetime, sent_at: datetime, received_at: datetime, earliest: datetime) -> datetime:
    """When an event happened by the server's clock.

    The client's clock may be wrong, but it was as wrong when it sent: the event is as old as the client
    says. It is neither older than what it speaks of (``earliest``) nor younger than its receipt.
    """
    age = max(sent_at - occurred_at, timedelta(0))
    # Compared before it is taken off: a clock that jumped by centuries would lead out of what a datetime can hold.
    return earliest if age >= received_at - earliest else received_at - age


def event_row(
    event: AnyEvent,
    batch: EventBatch,
    received_at: datetime,
    drafts: Mapping[UUID, KnownDraft],
    suggestions: Mapping[UUID, KnownSuggestion],
) -> dict[str, Any]:
    """An event as a row; what its kind does not have is null."""
    row: dict[str, Any] = dict.fromkeys(("suggestion_id", "tag", "position", "tags", "names", "question_id", "site"))
    if isinstance(event, Posted):
        draft = drafts[event.draft_id]
        earliest = draft.started_at
        names = posted_names(event.tags, draft.offered.values())
        row |= {"tags": event.tags, "question_id": event.question_id, "site": event.site}
        row["names"] = None if names == event.tags else names
    else:
        suggestion = suggestions[event.suggestion_id]
        earliest = suggestion.created_at
        name = suggestion.names[event.tag]
        row |= {"suggestion_id": event.suggestion_id, "tag": event.tag}
        row["names"] = None if name == event.tag else [name]
    if isinstance(event, Viewed):
        row["position"] = event.position
    return row | {
        "id": event.id,
        "install_id": batch.install_id,
        "sequence": event.sequence,
        "kind": event.kind,
        "draft_id": event.draft_id,
        "occurred_at": event.occurred_at,
        "sent_at": batch.sent_at,
        "received_at": received_at,
        "at": corrected(event.occurred_at, batch.sent_at, received_at, earliest),
    }


def posted_names(tags: Iterable[str], offered: Collection[str]) -> list[str]:
    """What posted tags count as, each once: the name under which the draft was offered the tag, else its name in use.

    Who posts ``macos`` where ``osx`` was offered, by an older version or before a renaming, has agreed.
    """
    offered_as = {name_in_use(name): name for name in sorted(offered)}
    names = (tag if tag in offered else offered_as.get(name_in_use(tag), name_in_use(tag)) for tag in tags)
    return list(dict.fromkeys(names))


def refused_row(event: AnyEvent, install_id: UUID, reason: str, received_at: datetime) -> dict[str, Any]:
    """A refused event as a row: that there was one, not what it said. An absurd number is not kept: it is no loss."""
    return {
        "id": event.id,
        "install_id": install_id,
        "sequence": 0 if reason == ABSURD_SEQUENCE else event.sequence,
        "reason": reason,
        "received_at": received_at,
    }


# Without the rows in it, so that it is put together once, which takes longer than running it.
INSERT_EVENTS = insert(Event).on_conflict_do_nothing(index_elements=["id"]).returning(Event.id)


async def insert_events(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> list[UUID]:
    """Store the events that are not yet known; return the ids of those."""
    if not rows:
        return []
    connection = await session.connection()
    # In one order, so that two batches with the same ids can't wait for each other.
    return list(await connection.scalars(INSERT_EVENTS, sorted(rows, key=lambda row: row["id"])))


async def insert_refused(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Note refused events, each once however often it is sent."""
    if rows:
        ordered = sorted(rows, key=lambda row: row["id"])
        await session.execute(insert(Refused).values(ordered).on_conflict_do_nothing(index_elements=["id"]))


async def export_events(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """All events of an install, in their order."""
    events = await session.scalars(
        select(Event).where(Event.install_id == install_id).order_by(Event.sequence, Event.id)
    )
    return [as_dict(event) for event in events]


async def export_items(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return what the install's events were worked out to: its offered tags, and what became of each."""
    drafts = select(Event.draft_id).where(Event.install_id == install_id)
    items = await session.scalars(select(Item).where(Item.draft_id.in_(drafts)).order_by(Item.draft_id, Item.tag))
    return [as_dict(item) for item in items]


async def export_refused(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Which events of an install were refused, in their order."""
    refused = await session.scalars(
        select(Refused).where(Refused.install_id == install_id).order_by(Refused.sequence, Refused.id)
    )
    return [as_dict(event) for event in refused]


async def export_numbering(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Up to which number an install's events were forgotten for their age, if any were."""
    return [as_dict(row) for row in await session.scalars(select(Numbering).where(Numbering.install_id == install_id))]


async def reassign_events(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Give an install's events to ``nobody``, drop the questions' numbers in them, and return how many there were."""
    events = await session.execute(
        update(Event).where(Event.install_id == install_id).values(install_id=anonymous_id, question_id=None)
    )
    refused = await session.execute(
        update(Refused).where(Refused.install_id == install_id).values(install_id=anonymous_id)
    )
    await session.execute(update(Numbering).where(Numbering.install_id == install_id).values(install_id=anonymous_id))
    return int(events.rowcount + refused.rowcount)  # type: ignore[attr-defined]


async def forget_events(session: AsyncSession, drafts: Sequence[UUID] | Select[UUID]) -> None:
    """Delete the events and items of drafts."""
    for table in (Item, Event):
        await session.execute(delete(table).where(table.draft_id.in_(drafts)))


async def forget_old_events(
    session: AsyncSession, drafts: Sequence[UUID], before: datetime, spared: Collection[date] = ()
) -> list[UUID]:
    """Delete the events and items of those drafts of which no event has come since; return which these are.

    Their numbers stay known, so that none looks lost. What was done on ``spared`` days stays, and all of the installs
    whose numbers came on one.
    """
    needed = [Event.received_at >= before]
    if spared:
        needed += [day_of(Event.at).in_(spared), Event.install_id.in_(_installs_of(spared))]
    kept = set(await session.scalars(select(Event.draft_id).distinct().where(Event.draft_id.in_(drafts), or_(*needed))))
    gone = [draft for draft in drafts if draft not in kept]
    await _keep_numbers(session, Event, Event.draft_id.in_(gone))
    await forget_events(session, gone)
    return gone


def _installs_of(days: Collection[date]) -> Select[UUID]:
    """The installs of which an event came on one of some days, refused ones included."""
    came = (select(table.install_id).where(day_of(table.received_at).in_(days)) for table in (Event, Refused))
    return select(union(*came).subquery().c.install_id)


async def forget_old_refusals(
    session: AsyncSession, before: datetime, limit: int, spared: Collection[date] = ()
) -> int:
    """Delete refused events that came before a moment, the oldest first; return how many.

    Those of installs whose numbers came on ``spared`` days stay.
    """
    statement = select(Refused.id).where(Refused.received_at < before).order_by(Refused.received_at).limit(limit)
    if spared:
        statement = statement.where(Refused.install_id.not_in(_installs_of(spared)))
    gone = list(await session.scalars(statement))
    await _keep_numbers(session, Refused, Refused.id.in_(gone))
    await session.execute(delete(Refused).where(Refused.id.in_(gone)))
    return len(gone)


async def _keep_numbers(session: AsyncSession, table: type[Event] | type[Refused], gone: ColumnElement[bool]) -> None:
    """Note the highest number of each install among rows that are about to go."""
    highest = select(table.install_id, func.max(table.sequence)).where(gone).group_by(table.install_id)
    statement = insert(Numbering).from_select(["install_id", "sequence"], highest)
    await session.execute(
        statement.on_conflict_do_update(
            index_elements=["install_id"],
            set_={"sequence": func.greatest(Numbering.sequence, statement.excluded.sequence)},
        )
    )
