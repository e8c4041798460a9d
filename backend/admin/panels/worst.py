"""The worst tags in one file; twins only, the section of tags links them."""

from collections.abc import Sequence

from backend.acceptance.worst_tags import WorstTag, list_worst_tags
from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a tag."""
    return worst_tags_table(list_worst_tags(await request.tags(), request.vocabulary))


def worst_tags_table(worst_tags: Sequence[WorstTag]) -> PanelTable:
    """Return one row a tag: dismissed of viewed, or missed of posted."""
    return PanelTable(
        ("what", "tag", "result"),
        [{"what": worst.category, "tag": worst.tag, "result": worst.rate} for worst in worst_tags],
    )


PANEL = Panel("worst", read_table=read_table)
