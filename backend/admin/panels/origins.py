"""Figures by who answered: the service, or the model on the device."""

from backend.acceptance.figures import Counts
from backend.admin.panels.breakdown import breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Counts]:
    """Return the counts by origin."""
    return (await request.grid()).by_origin()


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row an origin, with all figures."""
    return breakdown_table("origin", await read_section(request))


PANEL = Panel("origins", "By origin", read_section, read_table)
