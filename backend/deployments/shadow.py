"""The shadow at work: it answers after the writer was answered, on a thread that is idle, or not at all."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from backend.deployments.inference_pool import InferencePool
from backend.deployments.router import Router, ShadowModel
from backend.deployments.tables import Shadow
from backend.postgres.database import Database, DatabaseUnavailable
from backend.web.metrics import SHADOW_ANSWERS
from model.serving import Classifier, Suggested

log = logging.getLogger(__name__)

# Answers that wait for the shadow; each holds its draft's text, in memory only.
MAX_WAITING = 64

Infer = Callable[[Classifier], list[Suggested]]


class ShadowRunner:
    """Has the version in the shadow answer drafts that were just answered, and stores its answers.

    Args:
        router: knows which version is in the shadow, if any.
        database: where its answers go.
        pool: what answers to writers run on. While all its threads are busy, the shadow's answers are dropped.
    """

    def __init__(self, router: Router, database: Database, pool: InferencePool) -> None:
        self._router, self._database, self._pool = router, database, pool
        self._waiting: asyncio.Queue[tuple[UUID, ShadowModel, Infer]] = asyncio.Queue(MAX_WAITING)

    def offer(self, suggestion_id: UUID, infer: Infer) -> None:
        """Take a recorded suggestion, and how to answer its draft with another version."""
        shadow = self._router.models.shadow
        if shadow is None:
            return
        try:
            self._waiting.put_nowait((suggestion_id, shadow, infer))
        except asyncio.QueueFull:
            SHADOW_ANSWERS.labels("dropped").inc()

    async def work(self) -> None:
        """Answer what is offered, one after the other, until cancelled."""
        while True:
            suggestion_id, shadow, infer = await self._waiting.get()
            SHADOW_ANSWERS.labels(await self._answer(suggestion_id, shadow, infer)).inc()

    async def _answer(self, suggestion_id: UUID, shadow: ShadowModel, infer: Infer) -> str:
        """Answer one draft; return what became of it, as the counter of such answers names it."""
        if not self._pool.has_idle_thread:
            return "dropped"
        started = time.perf_counter()
        try:
            suggested = await self._pool.run(partial(infer, shadow.classifier))
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            log.error("%s failed in the shadow: %s", shadow.classifier.version, type(error).__name__)
            return "failed"
        row = {
            "suggestion_id": suggestion_id,
            "deployment_id": shadow.deployment_id,
            "model_version": shadow.classifier.version,
            "tags": [tag.tag for tag in suggested],
            "scores": [tag.score for tag in suggested],
            "confident": sum(tag.confident for tag in suggested),
            "latency_ms": (time.perf_counter() - started) * 1000,
        }
        try:
            async with self._database.session() as session:
                await session.execute(insert(Shadow).values(row).on_conflict_do_nothing())
        except (DatabaseUnavailable, IntegrityError):  # or the suggestion has been deleted meanwhile
            return "dropped"
        return "stored"
