"""What a panel is: a section of the page, a table with JSON and CSV twins, or both."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel of /metrics.

    Attributes:
        name: in the URLs of its twins, /metrics/<name>.json and .csv, and the id of its section.
        title: the section's heading; a panel without a section has none.
        read_section: reads what the section's template, ``templates/panels/<name>.html``, shows as ``data``.
        read_table: reads the rows of the twins.
        twins: the panel whose twins the section links, if not its own.
    """

    name: str
    title: str = ""
    read_section: Callable[[PanelRequest], Awaitable[Any]] | None = None
    read_table: Callable[[PanelRequest], Awaitable[PanelTable]] | None = None
    twins: str = ""
