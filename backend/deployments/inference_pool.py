"""The cores that models run on: a thread for each, since more would only wait for each other.

Python's own pool rather than anyio's threads: to hand an inference over and get it back takes the event loop half as
long.
"""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


class Cores:
    """Runs work off the event loop, on as many threads as there are cores, in the order it came."""

    def __init__(self, count: int | None = None) -> None:
        self._count = count or os.cpu_count() or 1
        self._threads = ThreadPoolExecutor(self._count, thread_name_prefix="inference")
        self._given = 0

    @property
    def free(self) -> bool:
        """Whether work would be begun at once."""
        return self._given < self._count

    def close(self) -> None:
        """Begin nothing more, and let the threads end; each keeps what its memory holds until then."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def run(self, work: Callable[[], T]) -> T:
        """Run some work on the next free core."""
        self._given += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._given -= 1
