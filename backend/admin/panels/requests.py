"""Requests of all replicas within the last day that failed or were slow, whatever is filtered."""

from datetime import timedelta

from backend.acceptance.figures import Rate
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable
from backend.web.request_stats import read_request_stats

PERIOD = timedelta(days=1)


async def read_rates(request: PanelRequest) -> list[tuple[str, Rate]]:
    """Return the share of requests that failed, and that of suggestions that were slow, by title."""
    stats = await read_request_stats(request.session, request.now - PERIOD)
    return [
        ("Requests failed", Rate(stats.failed, stats.requests)),
        ("Suggestions slow", Rate(stats.slow, stats.suggestions)),
    ]


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a rate."""
    rates = await read_rates(request)
    return PanelTable(("name", "result"), [{"name": title.lower(), "result": rate} for title, rate in rates])


PANEL = Panel("requests", "Errors", read_rates, read_table)
