"""The page of /metrics: every panel's section, read from one snapshot of the database and rendered in one go."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from backend.acceptance.choices import Choices
from backend.admin.panels import FIRST_SCREEN, LAYOUT, PANELS
from backend.admin.panels.request import PanelRequest
from backend.admin.query import COMPARISONS, PERIODS, View
from backend.admin.templating import TEMPLATES
from backend.alerts.rules import Rule

PERIOD_TITLES = {"7d": "7 days", "28d": "28 days", "90d": "90 days", "365d": "12 months", "all": "All"}


@dataclass(frozen=True, slots=True)
class PageData:
    """Everything that one page shows; ``sections`` is what each panel's section shows, by the panel's name."""

    view: View
    choices: Choices
    has_vocabulary: bool
    rules: Mapping[str, Rule]
    now: datetime
    sections: Mapping[str, Any]


async def read_page(request: PanelRequest, choices: Choices) -> PageData:
    """Read every panel's section from the database."""
    await request.count_everything()
    sections = {}
    for panel in PANELS.values():
        if panel.read_section is not None:
            sections[panel.name] = await panel.read_section(request)
    return PageData(request.view, choices, bool(request.vocabulary), request.rules, request.now, sections)


def render_page(data: PageData) -> str:
    """Render the page as HTML."""
    return TEMPLATES.get_template("metrics.html").render(
        view=data.view,
        filters=data.view.filters,
        choices=data.choices,
        has_vocabulary=data.has_vocabulary,
        rules=data.rules,
        now=data.now,
        sections=data.sections,
        panels=PANELS,
        first_screen=FIRST_SCREEN,
        layout=LAYOUT,
        periods={period: PERIOD_TITLES[period] for period in PERIODS},
        comparisons=COMPARISONS,
        report_query=data.view.query(period="", since="", until="", tag="", sort="", compare_since="", only_tag=""),
    )
