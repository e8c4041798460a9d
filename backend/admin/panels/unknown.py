"""Missed tags that are not in the model's vocabulary; a section only, its rows are in the twins of missed tags."""

from backend.acceptance.figures import Counts
from backend.acceptance.worst_tags import sort_by_missed
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest


async def read_section(request: PanelRequest) -> list[tuple[str, Counts]]:
    """Return the unknown tags, the most often missed first."""
    return [(tag, counts) for tag, counts in sort_by_missed(await request.tags()) if counts.unknown_tags]


PANEL = Panel("unknown", "Unknown tags", read_section, twins="missed")
