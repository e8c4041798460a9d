"""The queue in front of the models: bounded by the wait that it means, so that overload is reported early."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from backend.deployments.inference_pool import InferencePool
from backend.web.metrics import INFERENCE
from backend.web.problems import Problem
from backend.web.tracing import span

# Chips that come later than this come too late for the writer; it is better to ask again. Seconds.
MAX_WAIT = 0.5

# Weight of one draft in the moving average: the last twenty or so count.
WEIGHT = 0.05

T = TypeVar("T")


class InferenceQueue:
    """Drafts that are being answered or wait for an idle thread; one that would wait too long is refused at once.

    What a draft means for those behind it is not how long it takes, since threads work side by side and share the
    machine with others, but how long after the one before it is done.
    """

    def __init__(self, pool: InferencePool) -> None:
        self._pool = pool
        self._length = 0
        self._mean_interval = 0.0
        self._last_done = 0.0

    @property
    def expected_wait(self) -> float:
        """When the next draft would be done, by the pace of the last ones. Seconds."""
        return (self._length + 1) * self._mean_interval

    def check(self) -> None:
        """Refuse another draft if the queue is too long; an empty one never is.

        Raises:
            Problem: 503 with Retry-After.
        """
        if self._length and self.expected_wait > MAX_WAIT:
            raise Problem(
                503,
                "Overloaded",
                "More drafts are waiting than can be answered in time. Send the draft again in a moment.",
                headers={"Retry-After": str(math.ceil(self.expected_wait))},
            )

    async def run(self, infer: Callable[[], T], *, version: str, admitted: bool = False) -> T:
        """Run inference for one draft, and return its result.

        Args:
            infer: runs on a thread of the pool.
            version: of the model, for traces.
            admitted: whether `check` has passed for it already, as for all drafts of a batch at once.

        Raises:
            Problem: 503 with Retry-After, the queue is too long.
        """
        if not admitted:
            self.check()
        with self._place(), INFERENCE.time(), span("inference", model_version=version):
            return await self._pool.run(infer)

    @contextmanager
    def _place(self) -> Iterator[None]:
        joined = time.perf_counter()
        self._length += 1
        try:
            yield
        finally:
            self._length -= 1
            now = time.perf_counter()
            # While the queue was empty, nobody waited for anybody.
            interval = now - max(joined, self._last_done)
            # From zero at first, since the very first drafts take longer than any later ones.
            self._mean_interval += WEIGHT * (interval - self._mean_interval)
            self._last_done = now
