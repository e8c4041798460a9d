"""Ingesting events: each is checked, stored once, and projected to items in the same transaction."""

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


async def ingest_events(session: AsyncSession, batch: EventBatch, received_at: datetime) -> Receipt:
    """Store a batch of events, and update the items and posts that they are about."""
    drafts, suggestions = await lock_drafts(session, {event.draft_id for event in batch.events})
    excess = await find_excess_events(session, batch)

    rows: dict[UUID, dict[str, Any]] = {}
    refused: dict[UUID, dict[str, Any]] = {}
    for event in batch.events:
        if event.id in rows or event.id in refused:
            continue  # the same id twice in one batch
        reason = find_refusal_reason(event, batch.install_id, drafts, suggestions) or excess.get(event.id)
        if reason:
            refused[event.id] = make_refused_row(event, batch.install_id, reason, received_at)
        else:
            rows[event.id] = make_event_row(event, batch, received_at, drafts, suggestions)
    new = await insert_events(session, list(rows.values()))
    await insert_refused(session, list(refused.values()))

    if acted := {rows[id]["draft_id"] for id in new if rows[id]["kind"] != "posted"}:
        await project_items(session, acted)
    if posted := {rows[id]["draft_id"] for id in new if rows[id]["kind"] == "posted"}:
        await project_posts(session, posted)

    known = sum(event.id not in refused for event in batch.events) - len(new)
    return Receipt(
        new=len(new),
        known=known,
        refused=[RefusedEvent(id=id, reason=row["reason"]) for id, row in refused.items()],
    )


async def find_excess_events(session: AsyncSession, batch: EventBatch) -> dict[UUID, str]:
    """Return why some events are too much, by id: their numbers are absurd, or their drafts are full.

    Events of a full draft that are known already are not among them.
    """
    excess = dict.fromkeys(await _find_absurd_sequences(session, batch), ABSURD_SEQUENCE)
    drafts = {event.draft_id for event in batch.events}
    stored_by_draft = (
        select(Event.draft_id, func.count().label("n")).where(Event.draft_id.in_(drafts)).group_by(Event.draft_id)
    )
    stored: Counter[UUID] = Counter({row.draft_id: row.n for row in await session.execute(stored_by_draft)})
    if max(stored.values(), default=0) + len(batch.events) <= MAX_EVENTS_OF_DRAFT:
        return excess
    known = set(await session.scalars(select(Event.id).where(Event.id.in_([event.id for event in batch.events]))))
    for event in batch.events:
        if event.id in known:
            continue
        stored[event.draft_id] += 1
        if stored[event.draft_id] > MAX_EVENTS_OF_DRAFT:
            excess.setdefault(event.id, DRAFT_FULL)
    return excess


async def _find_absurd_sequences(session: AsyncSession, batch: EventBatch) -> list[UUID]:
    """Return the events with numbers that no client can have assigned, however many events were lost before them."""
    events = sorted(batch.events, key=lambda event: event.sequence)
    if not events or events[-1].sequence <= MAX_GAP:
        return []
    highest = await _find_highest_sequence(session, batch.install_id)
    absurd = []
    for event in events:
        # The rows of an unknown install may have been lost with a database.
        limit = MAX_SEQUENCE if highest is None else min(MAX_SEQUENCE, highest + MAX_GAP)
        if event.sequence > limit:
            absurd.append(event.id)
        else:
            highest = max(highest or 0, event.sequence)
    return absurd


async def _find_highest_sequence(session: AsyncSession, install_id: UUID) -> int | None:
    """Return the highest known number of an install, that of deleted events included."""
    highest = (
        select(func.max(table.sequence)).where(table.install_id == install_id).scalar_subquery()
        for table in (Event, Refused, Numbering)
    )
    sequence: int | None = await session.scalar(select(func.greatest(*highest)))
    return sequence


def find_refusal_reason(
    event: AnyEvent,
    install_id: UUID,
    drafts: Mapping[UUID, KnownDraft],
    suggestions: Mapping[UUID, KnownSuggestion],
) -> str | None:
    """Return why an event can't be true: this install never got the draft, suggestion or tag that it names."""
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
    # A tag that was never confident was never shown: nobody can have acted on it.
    return None if event.tag in draft.offered else NOT_OFFERED


def correct_clock(occurred_at: datetime, sent_at: datetime, received_at: datetime, earliest: datetime) -> datetime:
    """Return when an event happened by the server's clock.

    The client's clock may be wrong, but it was as wrong when it sent: the event is as old as the client says. It is
    neither older than what it is about (``earliest``) nor younger than its receipt.
    """
    age = max(sent_at - occurred_at, timedelta(0))
    # Compared before the subtraction: a clock that jumped by centuries would leave the range of datetime.
    return earliest if age >= received_at - earliest else received_at - age


def make_event_row(
    event: AnyEvent,
    batch: EventBatch,
    received_at: datetime,
    drafts: Mapping[UUID, KnownDraft],
    suggestions: Mapping[UUID, KnownSuggestion],
) -> dict[str, Any]:
    """Return an event as a row; what its kind does not have is null."""
    row: dict[str, Any] = dict.fromkeys(("suggestion_id", "tag", "position", "tags", "names", "question_id", "site"))
    if isinstance(event, Posted):
        draft = drafts[event.draft_id]
        earliest = draft.started_at
        names = resolve_posted_names(event.tags, draft.offered.values())
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
        "at": correct_clock(event.occurred_at, batch.sent_at, received_at, earliest),
    }


def resolve_posted_names(tags: Iterable[str], offered: Collection[str]) -> list[str]:
    """Return the names that posted tags count as, each once: the name that was offered, else the name in use.

    A writer who posts ``macos`` where ``osx`` was offered, by an older version or before a renaming, agrees.
    """
    offered_as = {name_in_use(name): name for name in sorted(offered)}
    names = (tag if tag in offered else offered_as.get(name_in_use(tag), name_in_use(tag)) for tag in tags)
    return list(dict.fromkeys(names))


def make_refused_row(event: AnyEvent, install_id: UUID, reason: str, received_at: datetime) -> dict[str, Any]:
    """Return a refused event as a row, without its content. An absurd number is not stored: it is no loss."""
    return {
        "id": event.id,
        "install_id": install_id,
        "sequence": 0 if reason == ABSURD_SEQUENCE else event.sequence,
        "reason": reason,
        "received_at": received_at,
    }


# Without the rows, so that SQLAlchemy compiles it once, which takes longer than running it.
INSERT_EVENTS = insert(Event).on_conflict_do_nothing(index_elements=["id"]).returning(Event.id)


async def insert_events(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> list[UUID]:
    """Store the events that are not known yet; return their ids."""
    if not rows:
        return []
    connection = await session.connection()
    # Sorted, so that two batches with the same ids can't deadlock.
    return list(await connection.scalars(INSERT_EVENTS, sorted(rows, key=lambda row: row["id"])))


async def insert_refused(session: AsyncSession, rows: Sequence[dict[str, Any]]) -> None:
    """Store refused events, each once however often it is sent."""
    if rows:
        ordered = sorted(rows, key=lambda row: row["id"])
        await session.execute(insert(Refused).values(ordered).on_conflict_do_nothing(index_elements=["id"]))


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
    for table in (Item, Event):
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
    installs = (select(table.install_id).where(day_of(table.received_at).in_(days)) for table in (Event, Refused))
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
