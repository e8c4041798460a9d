"""Answering a draft: inference off the event loop, and the record of the answer, which may fail alone."""

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID, uuid4

import anyio.to_thread
from anyio import CapacityLimiter
from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Select,
    TableClause,
    bindparam,
    delete,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.sql.dml import ReturningInsert

from backend.database import Database, DatabaseAway
from backend.observability import INFERENCE, SUGGESTIONS
from backend.problems import Problem
from backend.suggestions.schemas import Answer, BatchDraft, DraftState, RecordedAnswer, SuggestedTag
from backend.suggestions.tables import Draft, Suggestion
from backend.tables import as_dict
from backend.totals import Totals
from model.classifier import Classifier, Suggested

# Chips must not wait for a slow database: past this the answer goes out unrecorded. Seconds.
RECORD_WITHIN = 1.0


class Suggester:
    """Answers drafts with one model version.

    Inference runs in threads, as many at once as there are cores: more would only wait for each other, and
    on the event loop it would hold up every other request.
    """

    def __init__(self, classifier: Classifier, database: Database, totals: Totals) -> None:
        self.classifier = classifier
        self._database = database
        self._totals = totals
        self._cores = CapacityLimiter(os.cpu_count() or 1)
        # The event loop itself holds tasks but weakly.
        self._recordings: set[asyncio.Task[UUID | None]] = set()

    async def answer(self, draft: DraftState) -> RecordedAnswer:
        """Answer one state of a draft, and record the answer if the writer agreed.

        Raises:
            Problem: 409, the draft belongs to another install.
        """
        version = self.classifier.version
        if draft.site not in self.classifier.sites:
            self._count("unknown_site")
            return RecordedAnswer(suggestion_id=None, model_version=version, items=[], notice=self._unknown(draft.site))
        started = time.perf_counter()
        suggested = await self._infer(draft, draft.chosen_tags)
        latency_ms = (time.perf_counter() - started) * 1000
        suggestion_id = None
        if draft.record:
            suggestion_id = await self._record_in_time(draft, suggested, latency_ms)
            if suggestion_id is None:
                self._count("unrecorded")
            else:
                SUGGESTIONS.labels("recorded").inc()
        else:
            self._count("without_consent")
        return RecordedAnswer(
            suggestion_id=suggestion_id, model_version=version, items=[as_item(each) for each in suggested]
        )

    async def answer_batch(self, drafts: Sequence[BatchDraft]) -> list[Answer]:
        """Answer many drafts, in their order; nothing is recorded."""
        answers = []
        for draft in drafts:
            if draft.site in self.classifier.sites:
                suggested = await self._infer(draft, ())
                answers.append(Answer(items=[as_item(each) for each in suggested]))
            else:
                answers.append(Answer(items=[], notice=self._unknown(draft.site)))
        return answers

    async def _infer(self, draft: DraftState | BatchDraft, chosen_tags: Sequence[str]) -> list[Suggested]:
        def infer() -> list[Suggested]:
            return self.classifier.suggest(
                draft.title,
                draft.body,
                body_format=draft.body_format,
                chosen_tags=chosen_tags,
                limit=draft.limit,
            )

        with INFERENCE.time():
            return await anyio.to_thread.run_sync(infer, limiter=self._cores)

    async def _record_in_time(
        self, draft: DraftState, suggested: Sequence[Suggested], latency_ms: float
    ) -> UUID | None:
        """Record an answer; None if the database is away or slow.

        It is a task of its own, since even giving up on a stalled connection takes seconds.
        """

        async def attempt() -> UUID | None:
            try:
                async with self._database.session(within=RECORD_WITHIN) as session:
                    return await record(
                        session, draft, suggested, self.classifier.version, latency_ms, datetime.now(UTC)
                    )
            except DatabaseAway:
                return None

        recording = asyncio.create_task(attempt())
        self._recordings.add(recording)
        recording.add_done_callback(self._recordings.discard)
        done, _ = await asyncio.wait({recording}, timeout=RECORD_WITHIN)
        return recording.result() if done else None

    def _count(self, outcome: str) -> None:
        """Count an answer that leaves no row."""
        SUGGESTIONS.labels(outcome).inc()
        self._totals.count(f"suggestions {outcome}")

    def _unknown(self, site: str) -> str:
        return f"The model does not know {site}. It knows {', '.join(sorted(self.classifier.sites))}."


def as_item(suggested: Suggested) -> SuggestedTag:
    """A suggested tag as a message."""
    return SuggestedTag(
        tag=suggested.tag,
        score=round(suggested.score, 4),
        confident=suggested.confident,
        uses=suggested.uses,
        because=list(suggested.because),
    )


# Which parameter of the statement goes into which column.
DRAFT_PARAMETERS = {"id": "draft_id", "started_at": "now"} | {
    name: name for name in ("install_id", "kind", "site", "page", "extension_version", "model_version")
}
SUGGESTION_PARAMETERS = {"id": "suggestion_id", "created_at": "now"} | {
    name: name
    for name in (
        "draft_id",
        "model_version",
        "latency_ms",
        "title_chars",
        "body_chars",
        "chosen_tags",
        "tags",
        "scores",
        "confident",
    )
}


def _recording() -> ReturningInsert[tuple[UUID]]:
    """The statement that records an answer, and the draft with its first one.

    One statement for both rows, since each more is a way to the database and back; put together once, since
    that takes longer than running it. It gives no row if the draft is another install's.
    """
    drafts, suggestions = cast(TableClause, Draft.__table__), cast(TableClause, Suggestion.__table__)

    def given(column: ColumnElement[Any], name: str) -> BindParameter[Any]:
        return bindparam(name, type_=column.type)

    begun = (
        upsert(drafts)
        .values({name: given(drafts.c[name], parameter) for name, parameter in DRAFT_PARAMETERS.items()})
        .on_conflict_do_nothing(index_elements=["id"])
        .returning(drafts.c.id)
        .cte("begun")
    )
    own = or_(
        exists(select(begun.c.id)),
        exists().where(
            drafts.c.id == given(drafts.c.id, "draft_id"),
            drafts.c.install_id == given(drafts.c.install_id, "install_id"),
        ),
    )
    row = select(*(given(suggestions.c[name], parameter) for name, parameter in SUGGESTION_PARAMETERS.items()))
    return insert(suggestions).from_select(list(SUGGESTION_PARAMETERS), row.where(own)).returning(suggestions.c.id)


RECORDING = _recording()


async def record(
    session: AsyncSession,
    draft: DraftState,
    suggested: Sequence[Suggested],
    version: str,
    latency_ms: float,
    now: datetime,
) -> UUID:
    """Record one answer given ``now``, and the draft with its first one; return the suggestion's id.

    Raises:
        Problem: 409, the draft belongs to another install.
    """
    values = {
        "suggestion_id": uuid4(),
        "draft_id": draft.draft_id,
        "install_id": draft.install_id,
        "kind": draft.kind,
        "site": draft.site,
        "page": draft.page,
        "extension_version": draft.extension_version,
        "model_version": version,
        "now": now,
        "latency_ms": latency_ms,
        "title_chars": len(draft.title),
        "body_chars": len(draft.body),
        "chosen_tags": draft.chosen_tags,
        "tags": [each.tag for each in suggested],
        "scores": [each.score for each in suggested],
        "confident": sum(each.confident for each in suggested),
    }
    # Twice, since a draft that another request has just begun is in the way of the first, but not in its sight.
    for _ in range(2):
        recorded: UUID | None = await session.scalar(RECORDING, values)
        if recorded is not None:
            return recorded
    raise Problem(
        409,
        "Another install's draft",
        "This draft_id was begun by another install. Begin a new draft with an id of its own.",
    )


@dataclass(frozen=True, slots=True)
class KnownDraft:
    """What feedback needs to know of a draft; ``offered`` are the tags confident in any answer to it."""

    install_id: UUID
    site: str
    started_at: datetime
    offered: frozenset[str]


@dataclass(frozen=True, slots=True)
class KnownSuggestion:
    """What feedback needs to know of a suggestion."""

    draft_id: UUID
    created_at: datetime
    tags: frozenset[str]


async def lock_drafts(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, KnownDraft]:
    """The drafts among ``ids``, locked until the transaction ends.

    Whoever projects a draft's events holds its lock, so two batches for one draft can't miss each other's
    events. The order by id keeps two batches from waiting for each other.
    """
    drafts = await session.execute(
        select(Draft.id, Draft.install_id, Draft.site, Draft.started_at)
        .where(Draft.id.in_(ids))
        .order_by(Draft.id)
        .with_for_update()
    )
    tag = func.unnest(Suggestion.tags[1 : Suggestion.confident]).label("tag")
    rows = await session.execute(select(Suggestion.draft_id, tag).distinct().where(Suggestion.draft_id.in_(ids)))
    offered: dict[UUID, set[str]] = {}
    for row in rows:
        offered.setdefault(row.draft_id, set()).add(row.tag)
    return {
        draft.id: KnownDraft(draft.install_id, draft.site, draft.started_at, frozenset(offered.get(draft.id, ())))
        for draft in drafts
    }


async def find_suggestions(session: AsyncSession, ids: Sequence[UUID]) -> dict[UUID, KnownSuggestion]:
    """The suggestions among ``ids``."""
    rows = await session.execute(
        select(Suggestion.id, Suggestion.draft_id, Suggestion.created_at, Suggestion.tags).where(Suggestion.id.in_(ids))
    )
    return {row.id: KnownSuggestion(row.draft_id, row.created_at, frozenset(row.tags)) for row in rows}


async def export_drafts(session: AsyncSession, install_id: UUID) -> list[dict[str, Any]]:
    """All that is stored of an install's drafts, each with its suggestions, oldest first."""
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


async def disown_drafts(session: AsyncSession, install_id: UUID, nobody: UUID) -> int:
    """Give an install's drafts to ``nobody``, and drop the numbers of questions that have not settled."""
    result = await session.execute(
        update(Draft).where(Draft.install_id == install_id).values(install_id=nobody, question_id=None)
    )
    return int(result.rowcount)  # type: ignore[attr-defined]


def drafts_of(kind: str) -> Select[UUID]:
    """The ids of all drafts of a kind."""
    return select(Draft.id).where(Draft.kind == kind)


async def forget_drafts(session: AsyncSession, kind: str) -> int:
    """Delete all drafts of a kind, of which no event speaks any more, with their suggestions; return how many."""
    await session.execute(delete(Suggestion).where(Suggestion.draft_id.in_(drafts_of(kind))))
    result = await session.execute(delete(Draft).where(Draft.kind == kind))
    return int(result.rowcount)  # type: ignore[attr-defined]
