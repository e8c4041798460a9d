"""Answers that the model on the device gave: checked, and recorded like answers of the service.

Their draft may be unknown, and then begins with them; or known, from earlier answers of the device or of the service,
which need not have come in their order.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time
from uuid import UUID

from sqlalchemy import ARRAY, Uuid, bindparam, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from backend.deployments.device_versions import Vocabulary
from backend.drafts.addresses import MAX_SUGGESTIONS_OF_DRAFT, Sender, admit_draft
from backend.drafts.service import RETENTION_PERIOD, KnownDraft, KnownSuggestion
from backend.drafts.tables import Draft, Suggestion
from backend.feedback.arrivals import (
    DRAFT_FULL,
    FORGOTTEN_DAY,
    OVER_BOUNDS,
    REPEATED_TAG,
    SUGGESTION_TAKEN,
    UNEQUAL_LISTS,
    UNKNOWN_DRAFT,
    UNKNOWN_SITE,
    UNKNOWN_TAG,
    UNKNOWN_VERSION,
    WRONG_KIND,
    WRONG_SITE,
    Arrival,
)
from backend.feedback.schemas import AnyEvent, DeviceAnswer
from backend.feedback.tables import Event, WaitingEvent
from model.serving import name_in_use

NOTE_DAYS = text("SELECT note_days_of_drafts(:drafts)").bindparams(bindparam("drafts", type_=ARRAY(Uuid(as_uuid=True))))


async def select_new_answers(session: AsyncSession, events: Iterable[AnyEvent]) -> list[DeviceAnswer]:
    """Return the answers of a device among some events, without those that are stored already."""
    answers = [event for event in events if isinstance(event, DeviceAnswer)]
    if not answers:
        return []
    known = set(await session.scalars(select(Event.id).where(Event.id.in_([answer.id for answer in answers]))))
    return [answer for answer in answers if answer.id not in known]


async def check_answers(
    session: AsyncSession, answers: Sequence[DeviceAnswer], arrival: Arrival, vocabularies: Mapping[str, Vocabulary]
) -> dict[UUID, str]:
    """Return why some answers can't be true, by the events' ids, whatever is known of their drafts."""
    ids = [answer.suggestion_id for answer in answers]
    taken = set(await session.scalars(select(Suggestion.id).where(Suggestion.id.in_(ids)))) if ids else set()
    reasons = {}
    for answer in answers:
        if reason := find_fault(answer, arrival, vocabularies.get(answer.model_version)):
            reasons[answer.id] = reason
        elif answer.suggestion_id in taken:
            reasons[answer.id] = SUGGESTION_TAKEN
        else:
            taken.add(answer.suggestion_id)
    return reasons


def find_fault(answer: DeviceAnswer, arrival: Arrival, vocabulary: Vocabulary | None) -> str | None:
    """Return why no device with a version of this vocabulary can have given an answer; None if one can."""
    if vocabulary is None:
        return UNKNOWN_VERSION
    if answer.site not in vocabulary.sites:
        return UNKNOWN_SITE
    if len(answer.tags) != len(answer.scores) or answer.confident > len(answer.tags):
        return UNEQUAL_LISTS
    if len(set(answer.tags)) < len(answer.tags):
        return REPEATED_TAG
    if not all(vocabulary.knows(tag) for tag in answer.tags):
        return UNKNOWN_TAG
    horizon = start_of_memory(arrival.received_at)
    return FORGOTTEN_DAY if arrival.correct(answer.occurred_at, horizon) == horizon else None


def start_of_memory(now: datetime) -> datetime:
    """Return the first moment of the first day whose drafts are not deleted for their age."""
    return datetime.combine(now.astimezone(UTC).date() - RETENTION_PERIOD, time.min, UTC)


def given_at(answer: DeviceAnswer, arrival: Arrival) -> datetime:
    """Return when an answer was given, by the server's clock."""
    return arrival.correct(answer.occurred_at, start_of_memory(arrival.received_at))


async def begin_drafts(
    session: AsyncSession,
    events: Collection[AnyEvent],
    answers: Collection[DeviceAnswer],
    arrival: Arrival,
    sender: Sender,
) -> set[UUID]:
    """Begin the drafts that only a device has answered so far; return those that are beyond their address's bounds.

    A draft counts for its address when the first event about it comes, which need not be an answer. Done before any
    draft is locked, since whoever records an answer of the service locks the address first, too.
    """
    mentioned = {event.draft_id for event in events if event.origin == "device"}
    if not mentioned:
        return set()
    mentioned -= set(await session.scalars(select(Draft.id).where(Draft.id.in_(mentioned))))
    waiting = WaitingEvent.draft_id.in_(mentioned), WaitingEvent.install_id == arrival.install_id
    counted = set(await session.scalars(select(WaitingEvent.draft_id).where(*waiting)))
    first: dict[UUID, DeviceAnswer] = {}
    for answer in in_order(answers, arrival):
        first.setdefault(answer.draft_id, answer)
    over_bounds = set()
    for draft_id in sorted(mentioned):
        if draft_id not in counted and not await admit_draft(session, draft_id, arrival.install_id, sender):
            over_bounds.add(draft_id)
        elif draft_id in first:
            row = draft_values(first[draft_id], arrival)
            await session.execute(insert(Draft).values(row).on_conflict_do_nothing(index_elements=["id"]))
    return over_bounds


def in_order(answers: Iterable[DeviceAnswer], arrival: Arrival) -> list[DeviceAnswer]:
    """Return answers in the order in which they were given."""
    return sorted(answers, key=lambda answer: (given_at(answer, arrival), answer.sequence))


def draft_values(answer: DeviceAnswer, arrival: Arrival) -> dict[str, object]:
    """Return a draft as it is begun by an answer."""
    return {"id": answer.draft_id, "install_id": arrival.install_id, "kind": answer.draft_kind, "site": answer.site} | (
        first_answer_values(answer, arrival)
    )


def first_answer_values(answer: DeviceAnswer, arrival: Arrival) -> dict[str, object]:
    """Return what a draft has of its first answer."""
    return {
        "page": answer.page,
        "extension_version": answer.extension_version,
        "model_version": answer.model_version,
        "started_at": given_at(answer, arrival),
        "origin": "device",
    }


async def record_answers(
    session: AsyncSession,
    answers: Collection[DeviceAnswer],
    arrival: Arrival,
    drafts: dict[UUID, KnownDraft],
    suggestions: dict[UUID, KnownSuggestion],
) -> dict[UUID, str]:
    """Record answers to drafts whose locks are held; return why some can't be, by the events' ids.

    ``drafts`` and ``suggestions`` are brought up to date.
    """
    reasons: dict[UUID, str] = {}
    n_answers = Counter(known.draft_id for known in suggestions.values())
    for answer in in_order(answers, arrival):
        draft = drafts.get(answer.draft_id)
        if draft is None:
            reasons[answer.id] = OVER_BOUNDS
        elif draft.install_id != arrival.install_id:
            reasons[answer.id] = UNKNOWN_DRAFT
        elif draft.site != answer.site:
            reasons[answer.id] = WRONG_SITE
        elif draft.kind != answer.draft_kind:
            reasons[answer.id] = WRONG_KIND
        elif n_answers[answer.draft_id] >= MAX_SUGGESTIONS_OF_DRAFT:
            reasons[answer.id] = DRAFT_FULL
        elif not await insert_suggestion(session, answer, arrival):
            reasons[answer.id] = SUGGESTION_TAKEN
        else:
            n_answers[answer.draft_id] += 1
            names = {tag: name_in_use(tag) for tag in answer.tags}
            suggestions[answer.suggestion_id] = KnownSuggestion(answer.draft_id, given_at(answer, arrival), names)
            draft.offered.update((tag, names[tag]) for tag in answer.tags[: answer.confident])
            drafts[answer.draft_id] = await update_draft(session, draft, answer, arrival)
    return reasons


async def insert_suggestion(session: AsyncSession, answer: DeviceAnswer, arrival: Arrival) -> bool:
    """Insert an answer; return False if another one has its id."""
    names = [name_in_use(tag) for tag in answer.tags]
    row = {
        "id": answer.suggestion_id,
        "draft_id": answer.draft_id,
        "model_version": answer.model_version,
        "created_at": given_at(answer, arrival),
        "latency_ms": answer.latency_ms,
        "title_chars": answer.title_chars,
        "body_chars": answer.body_chars,
        "chosen_tags": answer.chosen_tags,
        "tags": answer.tags,
        "names": None if names == answer.tags else names,
        "scores": answer.scores,
        "confident": answer.confident,
        "order": answer.order,
        "origin": "device",
    }
    statement = insert(Suggestion).values(row).on_conflict_do_nothing(index_elements=["id"]).returning(Suggestion.id)
    return await session.scalar(statement) is not None


async def update_draft(session: AsyncSession, draft: KnownDraft, answer: DeviceAnswer, arrival: Arrival) -> KnownDraft:
    """Take a draft with a device's answer out of its experiment, and begin it earlier if that answer was its first."""
    in_draft = Suggestion.draft_id == answer.draft_id
    await session.execute(
        update(Suggestion).where(in_draft, Suggestion.deployment_id.is_not(None)).values(deployment_id=None)
    )
    statement = update(Draft).where(Draft.id == answer.draft_id)
    created_at = given_at(answer, arrival)
    if created_at >= draft.started_at:
        await session.execute(statement.where(Draft.deployment_id.is_not(None)).values(deployment_id=None))
        return draft
    await session.execute(statement.values(deployment_id=None, **first_answer_values(answer, arrival)))
    # The days that it counted on before are noted when its suggestion is inserted (migration 0006).
    await session.execute(NOTE_DAYS, {"drafts": [answer.draft_id]})
    return replace(draft, started_at=created_at)
