"""Answer drafts: choose the model version, run inference off the event loop, and record the answer."""

import logging
import time
from collections.abc import Sequence
from functools import partial
from uuid import UUID

from backend.counters.totals import Totals
from backend.deployments.arms import Begun
from backend.deployments.inference_pool import Cores
from backend.deployments.router import KINDS_WITH_ARMS, Choice, Serving
from backend.deployments.shadow import Shadows
from backend.drafts.addresses import NO_LIMITS, AddressLimits
from backend.postgres.database import Database
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
        limits: AddressLimits = NO_LIMITS,
    ) -> None:
        self.serving = serving
        self._random_order_share = random_order_share
        self._begun = BegunDrafts(database)
        self._recorder = Recorder(database, limits)
        self.load_next_salts = self._recorder.hasher.load_next_salts
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
