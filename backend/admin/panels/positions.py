"""Figures by position on screen, of all chips and of those in random order."""

from typing import Any

from backend.admin.panels.breakdown import item_breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the counts by position."""
    return {"every_order": await request.positions(), "random_order": await request.positions("random")}


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a position, with the figures of items."""
    return item_breakdown_table("position", await request.positions())


PANEL = Panel("positions", "By position", read_section, read_table)
