"""Ingesting events: each is checked, stored once, and projected to items in the same transaction."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.device_versions import Vocabulary
from backend.drafts.addresses import Sender
from backend.drafts.service import KnownDraft, KnownSuggestion, lock_drafts
from backend.feedback.arrivals import (
    ABSURD_SEQUENCE,
    DRAFT_FULL,
    FORGOTTEN_DAY,
    NOT_OFFERED,
    OVER_BOUNDS,
    UNKNOWN_DRAFT,
    UNKNOWN_SUGGESTION,
    UNKNOWN_TAG,
    WRONG_SITE,
    Arrival,
)
from backend.feedback.device_answers import (
    begin_drafts,
    check_answers,
    record_answers,
    select_new_answers,
    start_of_memory,
)
from backend.feedback.projection import project_items, project_posts
from backend.feedback.schemas import AnyEvent, DeviceAnswer, EventBatch, Posted, Receipt, RefusedEvent, Viewed
from backend.feedback.tables import (
    MAX_EVENTS_OF_DRAFT,
    MAX_GAP,
    MAX_SEQUENCE,
    NUMBERED,
    Event,
    Numbering,
    Refused,
    WaitingEvent,
)
from backend.feedback.waiting import insert_waiting, list_given_up, take_waiting_events
from backend.postgres.locks import lock_install
from model.serving import name_in_use

NO_VOCABULARIES: Mapping[str, Vocabulary] = {}


async def ingest_events(
    session: AsyncSession,
    batch: EventBatch,
    received_at: datetime,
    *,
    vocabularies: Mapping[str, Vocabulary] = NO_VOCABULARIES,
    sender: Sender | None = None,
) -> Receipt:
    """Store a batch of events, record the device's answers among them, and update the items and posts of their drafts.

    Args:
        session: in a transaction.
        batch: events of one install, in any order.
        received_at: the present.
        vocabularies: what the known versions among those of the device's answers can suggest.
        sender: whose bounds the drafts count for that a device begins; None: nobody's.
    """
    arrival = Arrival(batch.install_id, batch.sent_at, received_at)
    events: dict[UUID, AnyEvent] = {}
    for event in batch.events:
        events.setdefault(event.id, event)  # the same id may be twice in one batch
    if any(event.origin == "device" for event in batch.events):
        await lock_install(session, batch.install_id)
    excess = await find_excess_events(session, batch)
    answers = [answer for answer in await select_new_answers(session, events.values()) if answer.id not in excess]
    reasons = excess | await check_answers(session, answers, arrival, vocabularies)
    answers = [answer for answer in answers if answer.id not in reasons]
    over_bounds = await begin_drafts(session, events.values(), answers, arrival, sender or Sender(received_at.date()))
    drafts, suggestions = await lock_drafts(session, {event.draft_id for event in batch.events})
    reasons |= await record_answers(session, answers, arrival, drafts, suggestions)
    answered = {answer.draft_id for answer in answers if answer.id not in reasons}
    taken = await take_waiting_events(session, batch.install_id, answered)

    came = {event.id: (event, arrival) for event in events.values()} | {event.id: (event, at) for event, at in taken}
    sorted_events = sort_events(came.values(), reasons, over_bounds, drafts, suggestions)
    for id in await list_given_up(session, [event for event, _ in sorted_events.waiting]):
        sorted_events.refuse(*came[id], UNKNOWN_SUGGESTION)
    rows, refused = sorted_events.rows, sorted_events.refused
    new = await insert_events(session, list(rows.values()))
    waiting = await insert_waiting(session, sorted_events.waiting)
    await insert_refused(session, list(refused.values()))

    if acted := {rows[id]["draft_id"] for id in new if rows[id]["kind"] not in ("posted", "suggested")}:
        await project_items(session, acted)
    if posted := {rows[id]["draft_id"] for id in new if rows[id]["kind"] == "posted"}:
        await project_posts(session, posted)

    n_new = len({*new, *waiting} - {event.id for event, _ in taken})
    refusals = [RefusedEvent(id=id, reason=row["reason"]) for id, row in refused.items() if id in events]
    known = sum(event.id not in refused for event in batch.events) - n_new
    return Receipt(new=n_new, known=known, refused=refusals)


@dataclass(frozen=True, slots=True)
class SortedEvents:
    """Events by what becomes of them: rows of events that are stored and of those that are refused, and what waits."""

    rows: dict[UUID, dict[str, Any]]
    refused: dict[UUID, dict[str, Any]]
    waiting: list[tuple[AnyEvent, Arrival]]

    def refuse(self, event: AnyEvent, arrival: Arrival, reason: str) -> None:
        """Refuse an event, even if it would wait."""
        self.refused[event.id] = make_refused_row(event, arrival, reason)
        self.waiting[:] = [waiting for waiting in self.waiting if waiting[0].id != event.id]


def sort_events(
    came: Iterable[tuple[AnyEvent, Arrival]],
    reasons: Mapping[UUID, str],
    over_bounds: Collection[UUID],
    drafts: Mapping[UUID, KnownDraft],
    suggestions: Mapping[UUID, KnownSuggestion],
) -> SortedEvents:
    """Sort events by what becomes of them.

    Args:
        came: the events, and how each came.
        reasons: why some are refused, whatever they are about.
        over_bounds: drafts that are beyond the bounds of their address.
        drafts, suggestions: what the events may be about.
    """
    outcomes = SortedEvents({}, {}, [])
    for event, arrival in came:
        fault = find_refusal_reason(event, arrival, drafts, suggestions)
        if fault and waits_for_answer(event, arrival.install_id, fault, drafts):
            fault = OVER_BOUNDS if event.draft_id in over_bounds else None
            if not fault and event.id not in reasons:
                outcomes.waiting.append((event, arrival))
                continue
        if reason := fault or reasons.get(event.id):
            outcomes.refuse(event, arrival, reason)
            continue
        row = make_event_row(event, arrival, drafts, suggestions)
        if row["at"] < start_of_memory(arrival.received_at):
            # Of a draft that is kept for its younger part: the sums of the event's own day no longer change.
            outcomes.refuse(event, arrival, FORGOTTEN_DAY)
        else:
            outcomes.rows[event.id] = row
    return outcomes


def waits_for_answer(event: AnyEvent, install_id: UUID, fault: str, drafts: Mapping[UUID, KnownDraft]) -> bool:
    """Return whether an event can't be true now, and can once the device's answer has come that it is about."""
    if event.origin != "device" or fault not in (UNKNOWN_DRAFT, UNKNOWN_SUGGESTION):
        return False
    draft = drafts.get(event.draft_id)
    return draft is None or draft.install_id == install_id


async def find_excess_events(session: AsyncSession, batch: EventBatch) -> dict[UUID, str]:
    """Return why some events are too much, by id: their numbers are absurd, or their drafts are full.

    Events of a full draft that are known already are not among them.
    """
    excess = dict.fromkeys(await _find_absurd_sequences(session, batch), ABSURD_SEQUENCE)
    drafts = {event.draft_id for event in batch.events}
    stored: Counter[UUID] = Counter()
    for table in (Event, WaitingEvent):
        statement = select(table.draft_id, func.count().label("n")).where(table.draft_id.in_(drafts))
        stored.update({row.draft_id: row.n for row in await session.execute(statement.group_by(table.draft_id))})
    if max(stored.values(), default=0) + len(batch.events) <= MAX_EVENTS_OF_DRAFT:
        return excess
    ids = [event.id for event in batch.events]
    known = {
        id for table in (Event, WaitingEvent) for id in await session.scalars(select(table.id).where(table.id.in_(ids)))
    }
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
        for table in (*NUMBERED, Numbering)
    )
    sequence: int | None = await session.scalar(select(func.greatest(*highest)))
    return sequence


def find_refusal_reason(
    event: AnyEvent,
    arrival: Arrival,
    drafts: Mapping[UUID, KnownDraft],
    suggestions: Mapping[UUID, KnownSuggestion],
) -> str | None:
    """Return why an event can't be true: this install never got the draft, suggestion or tag that it names.

    A device's answer is checked on its own (`backend.feedback.device_answers`).
    """
    if isinstance(event, DeviceAnswer):
        return None
    draft = drafts.get(event.draft_id)
    if draft is None:
        horizon = start_of_memory(arrival.received_at)
        return FORGOTTEN_DAY if arrival.correct(event.occurred_at, horizon) == horizon else UNKNOWN_DRAFT
    if draft.install_id != arrival.install_id:
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


def make_event_row(
    event: AnyEvent,
    arrival: Arrival,
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
    elif isinstance(event, DeviceAnswer):
        earliest = start_of_memory(arrival.received_at)
        row |= {"suggestion_id": event.suggestion_id, "site": event.site}
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
        "install_id": arrival.install_id,
        "sequence": event.sequence,
        "kind": event.kind,
        "draft_id": event.draft_id,
        "occurred_at": event.occurred_at,
        "sent_at": arrival.sent_at,
        "received_at": arrival.received_at,
        "at": arrival.correct(event.occurred_at, earliest),
    }


def resolve_posted_names(tags: Iterable[str], offered: Collection[str]) -> list[str]:
    """Return the names that posted tags count as, each once: the name that was offered, else the name in use.

    A writer who posts ``macos`` where ``osx`` was offered, by an older version or before a renaming, agrees.
    """
    offered_as = {name_in_use(name): name for name in sorted(offered)}
    names = (tag if tag in offered else offered_as.get(name_in_use(tag), name_in_use(tag)) for tag in tags)
    return list(dict.fromkeys(names))


def make_refused_row(event: AnyEvent, arrival: Arrival, reason: str) -> dict[str, Any]:
    """Return a refused event as a row, without its content. An absurd number is not stored: it is no loss."""
    return {
        "id": event.id,
        "install_id": arrival.install_id,
        "sequence": 0 if reason == ABSURD_SEQUENCE else event.sequence,
        "reason": reason,
        "received_at": arrival.received_at,
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
