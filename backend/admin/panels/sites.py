"""Figures by site."""

from backend.acceptance.figures import Counts
from backend.admin.panels.breakdown import breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Counts]:
    """Return the counts by site."""
    return (await request.grid()).by_site()


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a site, with all figures."""
    return breakdown_table("site", await read_section(request))


PANEL = Panel("sites", "By site", read_section, read_table)
