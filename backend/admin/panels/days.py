"""Figures by day, as charts and as a table, with the releases of model versions marked on them."""

from typing import Any

from backend.admin.panels.breakdown import breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.releases import read_releases_by_day
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the counts by day, and the releases."""
    return {
        "counts_by_day": await request.all_days(),
        "releases": await read_releases_by_day(request),
    }


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a day, with all figures; of the view's only tag, those that a tag has."""
    return breakdown_table("day", await request.days())


PANEL = Panel("days", "Over time", read_section, read_table)
