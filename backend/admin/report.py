"""The report of a month, or of any other span, to print."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import Bookkeeping
from backend.acceptance.choices import newest_day
from backend.acceptance.figures import Counts
from backend.acceptance.value_estimate import ValueEstimate
from backend.acceptance.worst_tags import StandingOut, find_tags_standing_out, sort_by_missed
from backend.admin.panels import answer, trend
from backend.admin.panels.request import PanelRequest
from backend.admin.panels.worth import read_estimate
from backend.admin.query import View
from backend.admin.sentences import Answer
from backend.admin.templating import TEMPLATES

ROWS_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that a report shows; ``before`` is of the period compared with, ``trend`` what its chart shows."""

    view: View
    now: datetime
    answer: Answer
    overview: Counts
    before: Counts
    trend: dict[str, Any]
    models: dict[str, Counts]
    estimate: ValueEstimate
    standing_out: StandingOut
    missed: list[tuple[str, Counts]]
    bookkeeping: Bookkeeping


async def read_report(request: PanelRequest) -> ReportData:
    """Read everything that a report shows from the database."""
    await request.count_everything()
    grid, tags = await request.grid(), await request.tags()
    return ReportData(
        view=request.view,
        now=request.now,
        answer=await answer.read_section(request),
        overview=await request.overview(),
        before=await request.previous_overview(),
        trend=await trend.read_section(request),
        models=grid.by_model_version(),
        estimate=await read_estimate(request),
        standing_out=find_tags_standing_out(tags),
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
        data=data,
        rows_shown=ROWS_SHOWN,
        view=data.view,
        filters=data.view.filters,
        now=data.now,
        empty_month=empty_month,
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
