"""Acceptance by day, with the mean of its weeks and the period before behind it; a section only."""

from typing import Any

from backend.admin.panels.panel import Panel
from backend.admin.panels.releases import read_releases_by_day
from backend.admin.panels.request import PanelRequest


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the counts by day of both periods, and the releases."""
    return {
        "counts_by_day": await request.days(),
        "counts_by_earlier_day": await request.previous_days(),
        "releases": await read_releases_by_day(request),
    }


PANEL = Panel("trend", "Acceptance by day", read_section, twins="days")
