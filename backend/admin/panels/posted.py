"""Tags offered against tags posted; a section only, its figures are those of the overview's twins."""

from typing import Any

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the figures of both periods."""
    return {"counts": await request.overview(), "before": await request.previous_overview()}


PANEL = Panel("posted", "Offered against posted", read_section, twins="overview")
