"""Faults of bookkeeping."""

from backend.acceptance.bookkeeping import Bookkeeping
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> Bookkeeping:
    """Return the faults of bookkeeping."""
    return await request.bookkeeping()


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a count."""
    bookkeeping = await request.bookkeeping()
    counts = [
        ("events", "received", bookkeeping.received),
        ("events", "lost", bookkeeping.lost),
        *(("refused", reason, n) for reason, n in bookkeeping.refused.items()),
        ("items", "impossible", bookkeeping.impossible),
        *(("total", name, n) for name, n in bookkeeping.totals.items()),
    ]
    return PanelTable(("group", "name", "n"), [{"group": group, "name": name, "n": n} for group, name, n in counts])


PANEL = Panel("bookkeeping", "Bookkeeping", read_section, read_table)
