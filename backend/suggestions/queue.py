"""The line before the classifier: bounded by the wait it means, so that overload is told early rather than late."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from backend.web.problems import Problem

# Chips that come later than this come too late for who is writing; better to ask again. Seconds.
LONGEST_WAIT = 0.5

# How much one draft counts in the running mean: the last twenty or so.
WEIGHT = 0.05


class Line:
    """Drafts that are being answered or wait for a free core; whoever would wait too long is sent away at once.

    What one draft means for those behind it is not how long it takes, since cores work side by side and share the
    machine with others, but how long after the one before it is done.
    """

    def __init__(self) -> None:
        self._length = 0
        self._between = 0.0
        self._last_done = 0.0

    @property
    def wait(self) -> float:
        """When the next draft would be done, by how the last ones came out. Seconds."""
        return (self._length + 1) * self._between

    def check(self) -> None:
        """Refuse to join a line that is too long; an empty one never is.

        Raises:
            Problem: 503 with Retry-After.
        """
        if self._length and self.wait > LONGEST_WAIT:
            raise Problem(
                503,
                "Overloaded",
                "More drafts wait than can be answered in time. Send the draft again in a moment.",
                headers={"Retry-After": str(math.ceil(self.wait))},
            )

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place in the line, for the time of one draft."""
        joined = time.perf_counter()
        self._length += 1
        try:
            yield
        finally:
            self._length -= 1
            now = time.perf_counter()
            # While nobody was in the line, nobody was waited for.
            between = now - max(joined, self._last_done)
            # From nothing at first, since the very first drafts take longer than any later ones.
            self._between += WEIGHT * (between - self._between)
            self._last_done = now
