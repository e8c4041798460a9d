"""The shadow at work: it answers once the writer has been answered, on a core that nobody needs, or not at all."""

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from backend.deployments.inference_pool import Cores
from backend.deployments.router import InShadow, Serving
from backend.deployments.tables import Shadow
from backend.postgres.database import Database, DatabaseUnavailable
from backend.web.metrics import SHADOW_ANSWERS
from model.serving.classifier import Classifier, Suggested

log = logging.getLogger(__name__)

# Answers that wait for the shadow; each holds its draft's text, in memory only.
MOST_WAITING = 64

Answer = Callable[[Classifier], list[Suggested]]


class Shadows:
    """Lets the version in the shadow answer what was just answered, and stores what it says.

    Args:
        serving: says which version is in the shadow, if any.
        database: where its answers go.
        cores: what answers to writers run on. While all are busy, the shadow's answers are dropped.
    """

    def __init__(self, serving: Serving, database: Database, cores: Cores) -> None:
        self._serving, self._database, self._cores = serving, database, cores
        self._waiting: asyncio.Queue[tuple[UUID, InShadow, Answer]] = asyncio.Queue(MOST_WAITING)

    def offer(self, suggestion_id: UUID, answer: Answer) -> None:
        """Take a suggestion that was recorded, and how to answer its draft with another version."""
        if self._serving.shadow is None:
            return
        try:
            self._waiting.put_nowait((suggestion_id, self._serving.shadow, answer))
        except asyncio.QueueFull:
            SHADOW_ANSWERS.labels("dropped").inc()

    async def work(self) -> None:
        """Answer what is offered, one after the other, until cancelled."""
        while True:
            suggestion_id, shadow, answer = await self._waiting.get()
            SHADOW_ANSWERS.labels(await self._answer(suggestion_id, shadow, answer)).inc()

    async def _answer(self, suggestion_id: UUID, shadow: InShadow, answer: Answer) -> str:
        if not self._cores.free:
            return "dropped"
        started = time.perf_counter()
        try:
            suggested = await self._cores.run(partial(answer, shadow.classifier))
        except Exception as error:  # ONNX Runtime's own errors share no base but Exception
            log.error("%s failed in the shadow: %s", shadow.classifier.version, type(error).__name__)
            return "failed"
        row = {
            "suggestion_id": suggestion_id,
            "deployment_id": shadow.deployment_id,
            "model_version": shadow.classifier.version,
            "tags": [each.tag for each in suggested],
            "scores": [each.score for each in suggested],
            "confident": sum(each.confident for each in suggested),
            "latency_ms": (time.perf_counter() - started) * 1000,
        }
        try:
            async with self._database.session() as session:
                await session.execute(insert(Shadow).values(row).on_conflict_do_nothing())
        except (DatabaseUnavailable, IntegrityError):  # away, or the suggestion has been removed meanwhile
            return "dropped"
        return "stored"
