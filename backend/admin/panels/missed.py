"""Tags that were posted without having been offered."""

from dataclasses import replace
from typing import Any

from backend.acceptance.figures import MISSED
from backend.acceptance.worst_tags import sort_by_missed
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_section(request: PanelRequest) -> dict[str, Any]:
    """Read the missed tags."""
    tags = sort_by_missed(await request.tags())
    return {"tags": tags, "never_offered": sum(counts.missed_tags == counts.posted_tags for _, counts in tags)}


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a missed tag, the most often missed first.

    ``known`` says whether the model loaded now has the tag: yes, no, or empty while none is loaded.
    """
    return PanelTable(
        ("tag", "known", "missed"),
        [
            {
                "tag": tag,
                "known": ("no" if counts.unknown_tags else "yes") if request.vocabulary else None,
                "missed": replace(MISSED.compute(counts), open=None),
            }
            for tag, counts in sort_by_missed(await request.tags())
        ],
    )


PANEL = Panel("missed", "Missed tags", read_section, read_table)
