"""All figures at a glance, with their change from the period before."""

from typing import Any

from backend.acceptance.figures import FIGURES, Mean, Rate, compute_change
from backend.acceptance.worst_tags import find_tags_standing_out, sort_by_missed
from backend.admin.formatting import target_in_words
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, Row, round_value

COLUMNS = ("figure", "unit", "result", "before", "change", "change_low", "change_high")

# Tags that the section names before any table does.
TAGS_MISSED = 3


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the figures of both periods, the tags that stand out, and the faults of bookkeeping."""
    tags = await request.tags()
    return {
        "counts": await request.overview(),
        "before": await request.previous_overview(),
        "targets": {figure.name: target_in_words(figure, request.rules.values()) for figure in FIGURES},
        "standing_out": find_tags_standing_out(tags),
        "most_missed": sort_by_missed(tags)[:TAGS_MISSED],
        "bookkeeping": await request.bookkeeping(),
    }


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a figure, with its change from the period before."""
    before = await request.previous_overview()
    counts = await request.overview()
    rows: list[Row] = []
    for figure in FIGURES:
        result, previous = figure.compute(counts), figure.compute(before)
        row: Row = {"figure": figure.name, "unit": figure.unit, "result": result, "before": previous}
        rows.append(row | change_columns(result, previous))
    return PanelTable(COLUMNS, rows)


def change_columns(now: Rate | Mean, before: Rate | Mean) -> Row:
    """Return a change by column, and its bounds where enough writers are behind it in both periods."""
    value = None if now.value is None or before.value is None else now.value - before.value
    change = compute_change(now, before)
    low, high = (None, None) if change is None else (change.low, change.high)
    return {"change": round_value(value), "change_low": round_value(low), "change_high": round_value(high)}


PANEL = Panel("overview", "At a glance", read_section, read_table)
