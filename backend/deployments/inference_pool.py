"""The threads that models run on: one a core, since more would only wait for each other.

Python's own pool rather than anyio's threads: handing work over and getting the result back costs the event loop half
the time.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class InferencePool:
    """Runs work off the event loop, on as many threads as there are cores, first come first served."""

    def __init__(self, threads: int | None = None) -> None:
        self._size = threads or os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(self._size, thread_name_prefix="inference")
        self._pending = 0

    @property
    def has_idle_thread(self) -> bool:
        """Whether work would start at once."""
        return self._pending < self._size

    def close(self) -> None:
        """Start nothing more, and let the threads end; each keeps what its memory holds until then."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Run some work on the next idle thread, and return its result."""
        self._pending += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._executor, work)
        finally:
            self._pending -= 1
