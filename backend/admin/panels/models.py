"""Figures by model version."""

from backend.acceptance.figures import Counts
from backend.admin.panels.breakdown import breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Counts]:
    """Return the counts by model version."""
    return (await request.grid()).by_model_version()


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a model version, with all figures."""
    return breakdown_table("model_version", await read_section(request))


PANEL = Panel("models", "By model version", read_section, read_table)
