"""Releases: steps in the life of the model versions within the period; shown with the days."""

from datetime import UTC, date
from itertools import groupby

from backend.admin.panels.panel import Panel
from backend.admin.panels.request import PanelRequest
from backend.admin.twins import PanelTable, Row
from backend.deployments.service import Release

ReleasesByDay = list[tuple[date, list[Release]]]
"""The releases of each day that has any, in order; the page numbers these days from 1."""


async def read_releases_by_day(request: PanelRequest) -> ReleasesByDay:
    """Return the releases within the period by day in UTC."""
    by_day = groupby(await request.releases(), key=lambda release: release.at.astimezone(UTC).date())
    return [(day, list(group)) for day, group in by_day]


async def read_table(request: PanelRequest) -> PanelTable:
    """Return one row a release."""
    rows: list[Row] = [
        {"at": release.at.isoformat(), "what": release.description} for release in await request.releases()
    ]
    return PanelTable(("at", "what"), rows)


PANEL = Panel("releases", read_table=read_table)
