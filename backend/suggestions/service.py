"""Answering a draft: inference off the event loop; and what other features may know of drafts."""

import logging
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, ColumnElement, Select, Uuid, and_, any_, bindparam, delete, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from backend.counters.totals import Totals
from backend.deployments.arms import Begun
from backend.deployments.inference_pool import Cores
from backend.deployments.router import KINDS_WITH_ARMS, Choice, Serving
from backend.deployments.shadow import Shadows
from backend.drafts.tables import OFFERED_NAMES, Draft, Suggestion
from backend.postgres.base import as_dict, day_of
from backend.postgres.database import Database
from backend.suggestions.addresses import NO_BOUNDS, Bounds
from backend.suggestions.begun import BegunDrafts
from backend.suggestions.display_order import Order, order_of, shuffled
from backend.suggestions.queue import Line
from backend.suggestions.recording import Recorder
from backend.suggestions.schemas import Answer, BatchAnswer, BatchDraft, DraftState, RecordedAnswer, SuggestedTag
from backend.web.metrics import CHALLENGER_ANSWERS, INFERENCE, SUGGESTIONS
from backend.web.tracing import span
from model.serving.classifier import Classifier, Suggested

log = logging.getLogger(__name__)


class Suggester:
    """Answers drafts, each with the version that is deployed for it.

    Inference runs on threads: on the event loop it would hold up every other request.
    """

    def __init__(
        self,
        serving: Serving,
        database: Database,
        totals: Totals,
        *,
        random_order_share: float = 0.0,
        bounds: Bounds = NO_BOUNDS,
    ) -> None:
        self.serving = serving
        self._random_order_share = random_order_share
        self._begun = BegunDrafts(database)
        self._recorder = Recorder(database, bounds)
        self.prepare_hashes = self._recorder.hashes.prepare_ahead
        self._totals = totals
        self._cores = Cores()
        self._line = Line()
        self.shadows = Shadows(serving, database, self._cores)

    def close(self) -> None:
        """End the threads that models run on."""
        self._cores.close()

    @property
    def classifier(self) -> Classifier:
        """The champion, which answers whatever is not part of an experiment."""
        return self.serving.champion

    async def answer(self, draft: DraftState, client: str = "") -> RecordedAnswer:
        """Answer one state of a draft to a client, and record the answer if the writer agreed.

        Raises:
            Problem: 409, the draft belongs to another install; 503, too many drafts wait already.
        """
        choice = await self._choose(draft)
        version = choice.classifier.version
        if draft.site not in choice.classifier.sites:
            self._count("unknown_site")
            notice = unknown(draft.site, choice.classifier)
            return RecordedAnswer(suggestion_id=None, model_version=version, items=[], notice=notice)
        started = time.perf_counter()
        self._line.check()
        suggested, version = await self._infer_chosen(choice, draft)
        latency_ms = (time.perf_counter() - started) * 1000
        suggestion_id, order = None, self._order_of(draft)
        if draft.record:
            with span("recording"):
                recorded = await self._recorder.record_in_time(
                    draft, suggested, version, latency_ms, exposure=choice.exposure, order=order, client=client
                )
            if not isinstance(recorded, UUID):
                self._count(recorded)
            else:
                suggestion_id = recorded
                SUGGESTIONS.labels("recorded").inc()
                if draft.kind == "ask":
                    self.shadows.offer(suggestion_id, partial(suggest, draft=draft, chosen_tags=draft.chosen_tags))
        else:
            self._count("without_consent")
        shown = shuffled(suggested, draft.draft_id) if order == "random" else suggested
        return RecordedAnswer(
            suggestion_id=suggestion_id, model_version=version, items=[as_item(each) for each in shown]
        )

    async def answer_batch(self, drafts: Sequence[BatchDraft]) -> BatchAnswer:
        """Answer many drafts, in their order, all with one champion; nothing is recorded."""
        champion = self.classifier
        answers = []
        self._line.check()
        for draft in drafts:
            if draft.site in champion.sites:
                suggested = await self._infer(champion, draft, ())
                answers.append(Answer(items=[as_item(each) for each in suggested]))
            else:
                answers.append(Answer(items=[], notice=unknown(draft.site, champion)))
        return BatchAnswer(model_version=champion.version, answers=answers)

    async def _choose(self, draft: DraftState) -> Choice:
        """Who answers a draft. What it began with is remembered here; else the database is asked, where it matters."""
        if draft.kind not in KINDS_WITH_ARMS:
            return self.serving.choose(draft.install_id, draft.kind, None)
        begun = self._begun.recall(draft.draft_id)
        if begun is None and draft.record and self.serving.may_have_begun_otherwise(draft.install_id):
            begun = await self._begun.look_up(draft.draft_id)
        choice = self.serving.choose(draft.install_id, draft.kind, begun)
        deployment_id = choice.exposure.deployment_id if choice.exposure else None
        self._begun.remember(draft.draft_id, begun or Begun(choice.classifier.version, deployment_id))
        return choice

    async def _infer_chosen(self, choice: Choice, draft: DraftState) -> tuple[list[Suggested], str]:
        """Tags for a draft, and the version that gave them: where the challenger fails, the champion stands in."""
        challenger = self.serving.challenger
        if challenger is None or choice.classifier is not challenger.classifier:
            return await self._infer(choice.classifier, draft, draft.chosen_tags), choice.classifier.version
        failed = False
        try:
            return await self._infer(choice.classifier, draft, draft.chosen_tags), choice.classifier.version
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            failed = True
            # Its name alone: the message could hold words of the draft.
            log.error("%s failed, the champion answers: %s", choice.classifier.version, type(error).__name__)
            champion = self.classifier
            return await self._infer(champion, draft, draft.chosen_tags), champion.version
        finally:
            CHALLENGER_ANSWERS.labels("failed" if failed else "given").inc()
            self.serving.count(challenger.deployment_id, failed=failed)

    async def _infer(
        self, classifier: Classifier, draft: DraftState | BatchDraft, chosen_tags: Sequence[str]
    ) -> list[Suggested]:
        infer = partial(suggest, classifier, draft, chosen_tags)
        with self._line.place(), INFERENCE.time(), span("inference", model_version=classifier.version):
            return await self._cores.run(infer)

    def _order_of(self, draft: DraftState) -> Order:
        """The order of a draft's chips: random ones only where something is learned from them."""
        learned = draft.kind == "ask" and draft.record
        return order_of(draft.draft_id, self._random_order_share) if learned else "model"

    def _count(self, outcome: str) -> None:
        """Count an answer that leaves no row."""
        SUGGESTIONS.labels(outcome).inc()
        self._totals.count(f"suggestions {outcome}")


def suggest(classifier: Classifier, draft: DraftState | BatchDraft, chosen_tags: Sequence[str]) -> list[Suggested]:
    """What a version suggests for a draft."""
    return classifier.suggest(
        draft.title, draft.body, body_format=draft.body_format, chosen_tags=chosen_tags, limit=draft.limit
    )


def unknown(site: str, classifier: Classifier) -> str:
    """Why a site's drafts get no tags."""
    return f"The model does not know {site}. It knows {', '.join(sorted(classifier.sites))}."


def as_item(suggested: Suggested) -> SuggestedTag:
    """A suggested tag as a message."""
    return SuggestedTag(
        tag=suggested.tag,
        score=round(suggested.score, 4),
        confident=suggested.confident,
        uses=suggested.uses,
        because=list(suggested.because),
    )


@dataclass(frozen=True, slots=True)
class KnownDraft:
    """What feedback needs to know of a draft; ``offered`` are the names of the tags confident in any answer to it."""

    install_id: UUID
    site: str
    started_at: datetime
    offered: dict[str, str]


@dataclass(frozen=True, slots=True)
class KnownSuggestion:
    """What feedback needs to know of a suggestion; ``names`` are what its tags count as, by tag."""

    draft_id: UUID
    created_at: datetime
    names: dict[str, str]


async def lock_drafts(
    session: AsyncSession, ids: Collection[UUID]
) -> tuple[dict[UUID, KnownDraft], dict[UUID, KnownSuggestion]]:
    """The drafts among ``ids``, locked until the transaction ends, and all suggestions given for them.

    Whoever projects a draft's events holds its lock, so two batches for one draft can't miss each other's
    events. The order by id keeps two batches from waiting for each other.
    """
    rows = await session.execute(KNOWN_DRAFTS, {"ids": list(ids)})
    drafts: dict[UUID, KnownDraft] = {}
    suggestions: dict[UUID, KnownSuggestion] = {}
    for row in rows:
        draft = drafts.setdefault(row.draft_id, KnownDraft(row.install_id, row.site, row.started_at, {}))
        if row.suggestion_id is not None:
            names = dict(zip(row.tags, row.names, strict=True))
            suggestions[row.suggestion_id] = KnownSuggestion(row.draft_id, row.created_at, names)
            draft.offered.update((tag, names[tag]) for tag in row.tags[: row.confident])
    return drafts, suggestions


# One statement for both tables, and the same for any number of drafts, so that it is put together once.
KNOWN_DRAFTS = (
    select(
        Draft.id.label("draft_id"),
        Draft.install_id,
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
    .with_for_update(of=Draft)
)


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


@dataclass(frozen=True, slots=True)
class OldDraft:
    """A draft, and when it was begun."""

    id: UUID
    started_at: datetime


async def list_drafts_before(
    session: AsyncSession,
    moment: datetime,
    after: tuple[datetime, UUID] | None,
    limit: int,
    spared: Collection[date] = (),
) -> list[OldDraft]:
    """Drafts that were begun, answered and posted before a moment, by their start.

    Args:
        session: in a transaction.
        moment: nothing of the draft may be of it or younger.
        after: start and id of the last one listed before; None: from the first on.
        limit: how many at most.
        spared: days (UTC) on which none of them was begun or posted.
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
    """Return those of the drafts that are still all older than a moment, locked until the transaction ends."""
    statement = select(Draft.id).where(Draft.id.in_(ids), _is_before(moment)).order_by(Draft.id).with_for_update()
    return list(await session.scalars(statement))


def _is_before(moment: datetime) -> ColumnElement[bool]:
    younger = select(Suggestion.id).where(Suggestion.draft_id == Draft.id, Suggestion.created_at >= moment)
    return and_(Draft.started_at < moment, or_(Draft.posted_at.is_(None), Draft.posted_at < moment), ~younger.exists())


async def forget_drafts(session: AsyncSession, drafts: Sequence[UUID] | Select[UUID]) -> int:
    """Delete drafts of which no event speaks any more, with their suggestions; return how many."""
    await session.execute(delete(Suggestion).where(Suggestion.draft_id.in_(drafts)))
    result = await session.execute(delete(Draft).where(Draft.id.in_(drafts)))
    return int(result.rowcount)  # type: ignore[attr-defined]
