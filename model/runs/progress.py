"""How a long step says how far it is."""

from collections.abc import Callable
from dataclasses import dataclass

OpenBar = Callable[[str, int], Callable[[], None]]
"""Opens a progress bar with a label and a length, and returns what moves it on by one."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a long step reports to: ``log`` takes a line, ``open_bar`` starts a progress bar."""

    log: Callable[[str], None]
    open_bar: OpenBar
