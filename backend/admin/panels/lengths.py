"""Figures by length of the draft's body."""

from backend.acceptance.figures import Counts
from backend.admin.formatting import length_name
from backend.admin.panels.breakdown import item_breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Counts]:
    """Return the counts by the name of the band of lengths."""
    return {length_name(band): counts for band, counts in (await request.offers()).by_length().items()}


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a band of the body's length, in characters, with the figures of items."""
    return item_breakdown_table("characters", await read_section(request))


PANEL = Panel("lengths", "By length of the draft", read_section, read_table)
