"""What other features may do with drafts and their suggestions: look them up, export, reassign and delete them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, and_, any_, bindparam, delete, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.drafts.tables import OFFERED_NAMES, Draft, Suggestion
from backend.postgres.base import as_dict, day_of

RETENTION_PERIOD = timedelta(days=400)
"""How long drafts and all that belongs to them are kept."""


@dataclass(frozen=True, slots=True)
class FirstAnswer:
    """The version of a draft's first answer, and the challenger's deployment that the draft takes part in, if any."""

    version: str
    deployment_id: UUID | None


async def find_first_answer(session: AsyncSession, draft_id: UUID) -> FirstAnswer | None:
    """Return the first answer of a draft, or None if none is recorded."""
    statement = select(Draft.model_version, Draft.deployment_id).where(Draft.id == draft_id)
    row = (await session.execute(statement)).first()
    return None if row is None else FirstAnswer(row.model_version, row.deployment_id)


@dataclass(frozen=True, slots=True)
class KnownDraft:
    """What feedback needs to know of a draft; ``offered`` maps each tag confident in any answer to its name in use."""

    install_id: UUID
    kind: str
    site: str
    started_at: datetime
    offered: dict[str, str]


@dataclass(frozen=True, slots=True)
class KnownSuggestion:
    """What feedback needs to know of a suggestion; ``names`` maps each of its tags to the name it counts as."""

    draft_id: UUID
    created_at: datetime
    names: dict[str, str]


async def lock_drafts(
    session: AsyncSession, ids: Collection[UUID]
) -> tuple[dict[UUID, KnownDraft], dict[UUID, KnownSuggestion]]:
    """Return the drafts among ``ids``, locked until the transaction ends, and all suggestions made for them.

    Whoever projects a draft's events holds its lock, so two batches for one draft can't miss each other's
    events. Rows are locked in the order of their ids, so that two batches can't deadlock.
    """
    rows = await session.execute(KNOWN_DRAFTS, {"ids": list(ids)})
    drafts: dict[UUID, KnownDraft] = {}
    suggestions: dict[UUID, KnownSuggestion] = {}
    for row in rows:
        draft = drafts.setdefault(row.draft_id, KnownDraft(row.install_id, row.kind, row.site, row.started_at, {}))
        if row.suggestion_id is not None:
            names = dict(zip(row.tags, row.names, strict=True))
            suggestions[row.suggestion_id] = KnownSuggestion(row.draft_id, row.created_at, names)
            draft.offered.update((tag, names[tag]) for tag in row.tags[: row.confident])
    return drafts, suggestions


# One statement for both tables, and the same for any number of drafts, so that SQLAlchemy compiles it once.
KNOWN_DRAFTS = (
    select(
        Draft.id.label("draft_id"),
        Draft.install_id,
        Draft.kind,
        Draft.site,
        Draft.started_at,
        Suggestion.id.label("suggestion_id"),
        Suggestion.created_at,
        Suggestion.tags,
        OFFERED_NAMES.label("names"),
        Suggestion.confident,
    )
    .outerjoin(Suggestion, Suggestion.draft_id == Draft.id)
    .where(Draft.id == any_(bindparam("ids", type_=ARRAY(Uuid()))))
    .order_by(Draft.id)
    # Not so strong that it would hold up whoever records an answer to the draft.
    .with_for_update(of=Draft, key_share=True)
)


async def export_drafts(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """Return all that is stored of an install's drafts, each with its suggestions, oldest first."""
    drafts = await session.scalars(
        select(Draft).where(Draft.install_id == install_id).order_by(Draft.started_at, Draft.id)
    )
    exported = {draft.id: as_dict(draft) | {"suggestions": []} for draft in drafts}
    suggestions = await session.scalars(
        select(Suggestion)
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(Draft.install_id == install_id)
        .order_by(Suggestion.created_at, Suggestion.id)
    )
    for suggestion in suggestions:
        exported[suggestion.draft_id]["suggestions"].append(as_dict(suggestion))
    return list(exported.values())


async def reassign_drafts(session: AsyncSession, install_id: UUID, anonymous_id: UUID) -> int:
    """Replace an install's id in its drafts, and drop question numbers not yet anonymised; return how many drafts."""
    result = await session.execute(
        update(Draft).where(Draft.install_id == install_id).values(install_id=anonymous_id, question_id=None)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def select_draft_ids(kind: str) -> Select[UUID]:
    """Return a query for the ids of all drafts of a kind."""
    return select(Draft.id).where(Draft.kind == kind)


@dataclass(frozen=True, slots=True)
class OldDraft:
    """A draft and when it was started."""

    id: UUID
    started_at: datetime


async def list_drafts_before(
    session: AsyncSession,
    moment: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
    spared: Collection[date] = (),
) -> list[OldDraft]:
    """Return drafts that were started, answered and posted before a moment, in the order of their start.

    Args:
        session: in a transaction.
        moment: no part of the draft may be as young as this or younger.
        after: start and id of the last draft of the previous page; None for the first page.
        limit: page size.
        spared: days (UTC) whose drafts are left out, whether they were started or posted then.
    """
    statement = (
        select(Draft.id, Draft.started_at).where(_is_before(moment)).order_by(Draft.started_at, Draft.id).limit(limit)
    )
    if after is not None:
        statement = statement.where(tuple_(Draft.started_at, Draft.id) > after)
    if spared:
        statement = statement.where(
            day_of(Draft.started_at).not_in(spared),
            or_(Draft.posted_at.is_(None), day_of(Draft.posted_at).not_in(spared)),
        )
    return [OldDraft(row.id, row.started_at) for row in await session.execute(statement)]


async def lock_drafts_before(session: AsyncSession, moment: datetime, ids: Collection[UUID]) -> list[UUID]:
    """Return those of the drafts that are still wholly older than a moment, locked until the transaction ends."""
    statement = select(Draft.id).where(Draft.id.in_(ids), _is_before(moment)).order_by(Draft.id).with_for_update()
    return list(await session.scalars(statement))


def _is_before(moment: datetime) -> ColumnElement[bool]:
    younger = select(Suggestion.id).where(Suggestion.draft_id == Draft.id, Suggestion.created_at >= moment)
    return and_(Draft.started_at < moment, or_(Draft.posted_at.is_(None), Draft.posted_at < moment), ~younger.exists())


async def delete_drafts(session: AsyncSession, drafts: Sequence[UUID] | Select[UUID]) -> int:
    """Delete drafts that no event refers to any more, with their suggestions; return how many."""
    await session.execute(delete(Suggestion).where(Suggestion.draft_id.in_(drafts)))
    result = await session.execute(delete(Draft).where(Draft.id.in_(drafts)))
    return int(result.rowcount)  # type: ignore[attr-defined]
