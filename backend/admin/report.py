"""The report of a month, or of any other span, to print."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import Bookkeeping
from backend.acceptance.choices import newest_day
from backend.acceptance.figures import Counts
from backend.acceptance.value_estimate import ValueEstimate
from backend.acceptance.worst_tags import sort_by_missed
from backend.admin.panels.releases import ReleasesByDay, read_releases_by_day
from backend.admin.panels.request import PanelRequest
from backend.admin.panels.tags import sort_tags
from backend.admin.panels.worth import read_estimate
from backend.admin.query import View
from backend.admin.templating import TEMPLATES

ROWS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report shows; ``before`` is the period before."""

    view: View
    now: datetime
    overview: Counts
    before: Counts
    counts_by_day: dict[date, Counts]
    releases: ReleasesByDay
    models: dict[str, Counts]
    estimate: ValueEstimate
    best: list[tuple[str, Counts]]
    worst: list[tuple[str, Counts]]
    missed: list[tuple[str, Counts]]
    bookkeeping: Bookkeeping


async def read_report(request: PanelRequest) -> ReportData:
    """Read everything that a report shows from the database."""
    await request.count_everything()
    grid, tags = await request.grid(), await request.tags()
    viewed = {tag: counts for tag, counts in tags.items() if counts.viewed}
    return ReportData(
        view=request.view,
        now=request.now,
        overview=grid.overview(),
        before=(await request.previous_grid()).overview(),
        counts_by_day=grid.by_day(request.filters),
        releases=await read_releases_by_day(request),
        models=grid.by_model_version(),
        estimate=await read_estimate(request),
        best=sort_tags(viewed, request.view, "best")[:ROWS_SHOWN],
        worst=sort_tags(viewed, request.view, "worst")[:ROWS_SHOWN],
        missed=sort_by_missed(tags)[:ROWS_SHOWN],
        bookkeeping=await request.bookkeeping(),
    )


def render_report(data: ReportData, empty_month: date | None = None) -> str:
    """Render a report as HTML to print.

    Args:
        data: what it shows.
        empty_month: the last whole month, if an earlier one is reported because that one has no drafts.
    """
    return TEMPLATES.get_template("report.html").render(
        data=data, view=data.view, filters=data.view.filters, now=data.now, empty_month=empty_month
    )


async def month_to_report(session: AsyncSession, kind: str, last_month: date, today: date) -> date:
    """Return a day of the last whole month or, if it has no drafts, of the newest month that has some."""
    newest = await newest_day(session, kind, last_month)
    if newest is not None and newest >= last_month.replace(day=1):
        return newest
    return await newest_day(session, kind, today) or last_month


async def name_month(
    session: AsyncSession, pairs: Iterable[tuple[str, str]], today: date
) -> tuple[list[tuple[str, str]], date | None]:
    """Add the month to report to a query string without a span; return it with the last month, if that is empty."""
    query = [(name, value) for name, value in pairs if value]
    if any(name in ("period", "month", "since", "until") for name, _ in query):
        return query, None
    last_month = today.replace(day=1) - timedelta(days=1)
    month = await month_to_report(session, dict(query).get("kind", "ask"), last_month, today)
    empty_month = last_month if f"{month:%Y-%m}" != f"{last_month:%Y-%m}" else None
    return [*query, ("month", f"{month:%Y-%m}")], empty_month
