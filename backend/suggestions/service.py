"""Answering drafts: route each to a model version, run inference off the event loop, and record the answer."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from backend.counters.totals import Totals
from backend.deployments.failures import FailureCounter
from backend.deployments.inference_pool import InferencePool
from backend.deployments.router import Exposure, Fallback, Route, Router
from backend.deployments.shadow import ShadowRunner
from backend.drafts.addresses import AddressHasher
from backend.postgres.database import Database
from backend.suggestions.display_order import Order, draw_order, shuffle_chips
from backend.suggestions.queue import InferenceQueue
from backend.suggestions.recording import Recorder
from backend.suggestions.schemas import Answer, BatchAnswer, BatchDraft, DraftState, RecordedAnswer, SuggestedTag
from backend.web.metrics import CHALLENGER_ANSWERS, SUGGESTIONS
from backend.web.problems import Problem
from backend.web.tracing import span
from model.serving import Classifier, Suggested

log = logging.getLogger(__name__)


class Suggester:
    """Answers drafts, each with the version that is deployed for it.

    Inference runs on threads: on the event loop it would hold up every other request.

    Args:
        router: chooses the version.
        database: where answers are recorded.
        totals: counts the answers that leave no row.
        random_order_share: part of the recorded drafts whose chips are shown in random order, 0 to 1.
        hasher: bounds how much of one address is recorded; without it, nothing is bounded.
    """

    def __init__(
        self,
        router: Router,
        database: Database,
        totals: Totals,
        *,
        random_order_share: float = 0.0,
        hasher: AddressHasher | None = None,
    ) -> None:
        self._router = router
        self._totals = totals
        self._random_order_share = random_order_share
        self._pool = InferencePool()
        self._queue = InferenceQueue(self._pool)
        self._recorder = Recorder(database, hasher)
        self.failures = FailureCounter(database)
        self.shadows = ShadowRunner(router, database, self._pool)

    def close(self) -> None:
        """End the threads that models run on."""
        self._pool.close()

    async def answer(self, draft: DraftState, client: str = "") -> RecordedAnswer:
        """Answer one state of a draft to a client, and record the answer if the writer agreed.

        Raises:
            Problem: 409, the draft belongs to another install; 503, too many drafts are waiting.
        """
        route = await self._router.route(draft)
        if draft.site not in route.classifier.sites:
            self._count("unknown_site")
            notice = explain_unknown_site(draft.site, route.classifier)
            return RecordedAnswer(suggestion_id=None, model_version=route.classifier.version, items=[], notice=notice)
        started = time.perf_counter()
        suggested, version = await self._infer(route, draft)
        latency_ms = (time.perf_counter() - started) * 1000
        order = self._draw_order(draft)
        suggestion_id = None
        if draft.record:
            suggestion_id = await self._record(draft, suggested, version, latency_ms, route.exposure, order, client)
        else:
            self._count("without_consent")
        shown = shuffle_chips(suggested, draft.draft_id) if order == "random" else suggested
        return RecordedAnswer(
            suggestion_id=suggestion_id, model_version=version, items=[make_item(tag) for tag in shown]
        )

    async def answer_batch(self, drafts: Sequence[BatchDraft]) -> BatchAnswer:
        """Answer many drafts, in their order, all with one champion; nothing is recorded.

        Raises:
            Problem: 503, too many drafts are waiting.
        """
        champion = self._router.models.champion
        answers = []
        self._queue.check()
        for draft in drafts:
            if draft.site in champion.sites:
                suggested = await self._queue.run(
                    partial(suggest, champion, draft), version=champion.version, admitted=True
                )
                answers.append(Answer(items=[make_item(tag) for tag in suggested]))
            else:
                answers.append(Answer(items=[], notice=explain_unknown_site(draft.site, champion)))
        return BatchAnswer(model_version=champion.version, answers=answers)

    async def _infer(self, route: Route, draft: DraftState) -> tuple[list[Suggested], str]:
        """Return tags for a draft and the version that gave them: where the challenger fails, the champion answers."""
        classifier, fallback = route.classifier, route.fallback
        infer = partial(suggest, draft=draft, chosen_tags=draft.chosen_tags)
        try:
            suggested = await self._queue.run(partial(infer, classifier), version=classifier.version)
        except Problem:
            raise  # the queue is too long: nothing was asked of the model
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            if fallback is None:
                raise
            # Its name alone: the message could hold words of the draft.
            log.error("%s failed, the champion answers: %s", classifier.version, type(error).__name__)
            self._count_challenger(fallback, failed=True)
            champion = fallback.classifier
            suggested = await self._queue.run(partial(infer, champion), version=champion.version, admitted=True)
            return suggested, champion.version
        if fallback is not None:
            self._count_challenger(fallback, failed=False)
        return suggested, classifier.version

    async def _record(
        self,
        draft: DraftState,
        suggested: Sequence[Suggested],
        version: str,
        latency_ms: float,
        exposure: Exposure | None,
        order: Order,
        client: str,
    ) -> UUID | None:
        """Record an answer and offer it to the shadow; return its id, or None if it could not be recorded."""
        with span("recording"):
            recorded = await self._recorder.record(
                draft, suggested, version, latency_ms, exposure=exposure, order=order, client=client
            )
        if not isinstance(recorded, UUID):
            self._count(recorded)
            return None
        SUGGESTIONS.labels("recorded").inc()
        if draft.kind == "ask":
            self.shadows.offer(recorded, partial(suggest, draft=draft, chosen_tags=draft.chosen_tags))
        return recorded

    def _draw_order(self, draft: DraftState) -> Order:
        """Return the order of a draft's chips: random only where something is learned from it."""
        if draft.kind == "ask" and draft.record:
            return draw_order(draft.draft_id, self._random_order_share)
        return "model"

    def _count_challenger(self, fallback: Fallback, *, failed: bool) -> None:
        CHALLENGER_ANSWERS.labels("failed" if failed else "given").inc()
        self.failures.count(fallback.deployment_id, failed=failed)

    def _count(self, outcome: str) -> None:
        """Count an answer that leaves no row."""
        SUGGESTIONS.labels(outcome).inc()
        self._totals.count(f"suggestions {outcome}")


def suggest(classifier: Classifier, draft: DraftState | BatchDraft, chosen_tags: Sequence[str] = ()) -> list[Suggested]:
    """Return what a version suggests for a draft."""
    return classifier.suggest(
        draft.title, draft.body, body_format=draft.body_format, chosen_tags=chosen_tags, limit=draft.limit
    )


def explain_unknown_site(site: str, classifier: Classifier) -> str:
    """Return why a site's drafts get no tags."""
    return f"The model does not know {site}. It knows {', '.join(sorted(classifier.sites))}."


def make_item(suggested: Suggested) -> SuggestedTag:
    """Return a suggested tag as the response has it."""
    return SuggestedTag(
        tag=suggested.tag,
        score=round(suggested.score, 4),
        confident=suggested.confident,
        uses=suggested.uses,
        because=list(suggested.because),
    )
