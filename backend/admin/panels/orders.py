"""Figures by order of the chips and position; twins only, the section of positions links them."""

from backend.acceptance.figures import ITEM_FIGURES
from backend.admin.panels.breakdown import item_figures
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row an order of the chips and a position, with the figures of items."""
    return PanelTable(
        ("order", "position", *(figure.name for figure in ITEM_FIGURES)),
        [
            {"order": order, "position": position, **item_figures(counts)}
            for order in ("model", "random")
            for position, counts in (await request.positions(order)).items()
        ],
    )


PANEL = Panel("orders", read_table=read_table)
