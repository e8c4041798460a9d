"""Figures by tag, searched and sorted as the view says."""

from collections.abc import Mapping

from backend.acceptance.figures import ACCEPTANCE, DISMISSAL, ITEM_FIGURES, MIN_SAMPLE, MISSED, Counts
from backend.admin.panels.breakdown import item_breakdown_table
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.query import View
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> list[tuple[str, Counts]]:
    """Return the viewed tags that the view lists, in its order."""
    tags = select_tags(await request.tags(), request.view)
    return [(tag, counts) for tag, counts in tags.items() if counts.viewed]


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a tag: the figures of its items, and how often it was posted and not offered."""
    return item_breakdown_table("tag", select_tags(await request.tags(), request.view), (*ITEM_FIGURES, MISSED))


def select_tags(tags: Mapping[str, Counts], view: View) -> dict[str, Counts]:
    """Return the tags that a view lists, in its order; when sorted by a rate, tags viewed too seldom come last."""
    selected = {tag: counts for tag, counts in tags.items() if view.search in tag}
    if view.sort == "viewed":
        return selected
    sign = 1 if view.sort == "worst" else -1
    figure = DISMISSAL if view.sort == "dismissed" else ACCEPTANCE

    def sort_key(row: tuple[str, Counts]) -> tuple[bool, float, int, str]:
        tag, counts = row
        return counts.viewed < MIN_SAMPLE, sign * (figure.compute(counts).value or 0.0), -counts.viewed, tag

    return dict(sorted(selected.items(), key=sort_key))


PANEL = Panel("tags", "By tag", read_section, read_table)
