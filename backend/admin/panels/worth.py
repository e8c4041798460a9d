"""What the suggestions are worth, by estimate."""

from backend.acceptance.value_estimate import ValueEstimate, estimate_value
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_estimate(request: PanelRequest) -> ValueEstimate:
    """Return the estimate for the view's drafts."""
    # What a device takes costs the service nothing.
    all_versions = (row.p50 for row in await request.latencies() if row.origin == "service")
    return estimate_value(await request.overview(), next(all_versions, None), request.assumptions)


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row an estimate."""
    estimate = await read_estimate(request)
    rows: list[tuple[str, int | float | None, str]] = [
        ("helped_drafts", estimate.helped_drafts, "drafts"),
        ("clicked_tags", estimate.clicked_tags, "tags"),
        ("saved_seconds", estimate.saved_seconds, "seconds"),
        ("cost_of_a_thousand", estimate.cost_of_a_thousand, "US dollars"),
    ]
    return PanelTable(
        ("name", "value", "unit"), [{"name": name, "value": value, "unit": unit} for name, value, unit in rows]
    )


PANEL = Panel("worth", "What it is worth", read_estimate, read_table)
