"""The admin's routes: /metrics as a page or an exposition, and every panel's JSON and CSV."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.choices import Choices, list_choices, newest_day
from backend.acceptance.filters import Filters
from backend.acceptance.running import RunningCounts, count_running
from backend.acceptance.statements import begin_snapshot
from backend.admin import exposition, page, panels, query
from backend.admin.auth import Guard
from backend.admin.negotiation import wants_page
from backend.alerts.rules import Rule
from backend.postgres.database import DatabaseAway, DatabaseBusy, DatabaseDamaged, DatabaseUnavailable, error_message
from backend.web.problems import Problem, database_damaged

log = logging.getLogger(__name__)

Sessions = Callable[[], AbstractAsyncContextManager[AsyncSession]]

# A scraper gives up after 10 s, and must get the process's metrics in any case. Seconds.
SCRAPE_LIMIT = 2.0

# Well below the time that the database gives a transaction: a page that is slow, and the seconds that giving
# it up may take, must never be taken for a database that is away. Seconds.
PAGE_LIMIT = 6.0

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


def utc_now() -> datetime:
    """The current moment."""
    return datetime.now(UTC)


class AdminRoute(APIRoute):
    """A route whose every answer, errors included, has the admin's headers; to a browser, errors are pages.

    What can be got can be asked for by HEAD too, as by whoever watches the address; the server leaves out the body.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.methods = (self.methods or set()) | {"HEAD"}

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The route's handler, its errors turned into answers."""
        handle = super().get_route_handler()

        async def handle_with_headers(request: Request) -> Response:
            try:
                response = await handle(request)
            except Problem as problem:
                response = answer(problem, request)
            response.headers.update(HEADERS)
            return response

        return handle_with_headers


def answer(problem: Problem, request: Request) -> Response:
    """A problem as a page for a browser, else as problem+json."""
    response: Response = problem.response()
    # Before signing in there is no page to be on: the browser asks for the password by itself.
    if problem.status_code == 401 or not wants_page(request.headers.get("accept", "")):
        return response
    kept = {name: value for name, value in response.headers.items() if name == "retry-after"}
    html = page.render_problem(problem.title, str(problem.detail))
    return HTMLResponse(html, status_code=problem.status_code, headers=kept)


def admin_router(
    *,
    password: str,
    sessions: Sessions,
    vocabulary: Callable[[], Collection[str]],
    rules: Mapping[str, Rule],
    on_refused: Callable[[str], None] = lambda client: None,
    now: Callable[[], datetime] = utc_now,
) -> APIRouter:
    """All the admin's routes, under /metrics, behind one guard that no route can forget.

    Args:
        password: the admin's password or its hash.
        sessions: gives a session in a transaction of its own; raises DatabaseAway.
        vocabulary: the tags of the model loaded now; empty if none is.
        rules: the rules of alerts, by name.
        on_refused: told the address of every wrong password.
        now: the clock, in UTC.

    Raises:
        ValueError: the password is empty.
    """
    router = APIRouter(
        prefix="/metrics",
        dependencies=[Depends(Guard(password, on_refused=on_refused))],
        route_class=AdminRoute,
        include_in_schema=False,
    )

    @asynccontextmanager
    async def snapshot() -> AsyncIterator[AsyncSession]:
        try:
            async with asyncio.timeout(PAGE_LIMIT), sessions() as session:
                await begin_snapshot(session)
                yield session
        except (TimeoutError, DatabaseBusy):
            raise Problem(
                503,
                "Too slow",
                f"Counting took longer than {PAGE_LIMIT:g} s. Choose a shorter period, or try again later.",
                headers={"Retry-After": "60"},
            ) from None
        except SQLAlchemyError as error:
            log.exception("a page could not be counted")
            raise Problem(
                503,
                "Not counted",
                "Something in the rows of this period can't be counted; the log says where. Choose another period.",
                headers={"Retry-After": "60"},
            ) from error
        except DatabaseDamaged:
            raise database_damaged() from None
        except (DatabaseAway, OSError) as error:
            raise Problem(
                503,
                "Database away",
                "The database can't be reached, so there are no figures now. Suggestions go on, and the "
                "extension keeps its events. Try again in a moment.",
                headers={"Retry-After": "5"},
            ) from error

    async def look(request: Request, session: AsyncSession, moment: datetime) -> tuple[query.View, Choices]:
        choices = await list_choices(session)
        return query.read(request.query_params.multi_items(), choices, moment.date()), choices

    @router.get("")
    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if wants_page(accept):
            moment = now()
            async with snapshot() as session:
                view, choices = await look(request, session, moment)
                tags = vocabulary()
                found = await page.measure(session, view, tags, moment)
            # Hundreds of days take a while to draw, and nobody's suggestion shall wait for that.
            html = await asyncio.to_thread(
                page.render, view, choices, found, moment, has_vocabulary=bool(tags), rules=rules
            )
            return HTMLResponse(html)
        content, media_type = exposition.render(await running(), accept)
        return Response(content, media_type=media_type)

    async def running() -> list[RunningCounts] | None:
        try:
            async with asyncio.timeout(SCRAPE_LIMIT), sessions() as session:
                await begin_snapshot(session)
                return await count_running(session, now())
        except (DatabaseUnavailable, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("this scrape goes without the counts of items: %s", error_message(error))
            return None

    @router.get("/report")
    async def report(request: Request) -> Response:
        moment = now()
        async with snapshot() as session:
            choices = await list_choices(session)
            given = [(name, value) for name, value in request.query_params.multi_items() if value]
            empty_month = None
            if not any(name in ("period", "month", "since", "until") for name, _ in given):
                last_month = moment.date().replace(day=1) - timedelta(days=1)
                month = await month_to_report(session, dict(given).get("kind", "ask"), last_month, moment.date())
                empty_month = last_month if f"{month:%Y-%m}" != f"{last_month:%Y-%m}" else None
                given.append(("month", f"{month:%Y-%m}"))
            view = query.read(given, choices, moment.date())
            found = await page.measure(session, view, vocabulary(), moment)
        return HTMLResponse(await asyncio.to_thread(page.render_report, view, found, moment, empty_month))

    @router.get("/style.css")
    async def style() -> Response:
        return Response(page.STYLE, media_type="text/css")

    @router.get("/{panel}.{form}")
    async def twin(request: Request, panel: str, form: str) -> Response:
        if panel not in panels.PANELS or form not in ("json", "csv"):
            raise Problem(
                404,
                "No such panel",
                f"Panels are {', '.join(panels.PANELS)}, each as .json and .csv, as in /metrics/overview.json.",
            )
        moment = now()
        async with snapshot() as session:
            view, _ = await look(request, session, moment)
            table = await panels.PANELS[panel](panels.Asked(session, view, vocabulary(), moment))
        if form == "json":
            return JSONResponse(await asyncio.to_thread(document, panel, view.filters, moment, table))
        name = f"tagalong-{panel}-{view.filters.since}-{view.filters.until}.csv"
        return Response(
            await asyncio.to_thread(panels.to_csv, table),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    return router


async def month_to_report(session: AsyncSession, kind: str, last_month: date, today: date) -> date:
    """Return a day of the last whole month or, where nobody wrote in it, of the newest month with drafts."""
    newest = await newest_day(session, kind, last_month)
    if newest is not None and newest >= last_month.replace(day=1):
        return newest
    return await newest_day(session, kind, today) or last_month


def document(panel: str, filters: Filters, moment: datetime, table: panels.Table) -> dict[str, Any]:
    """A panel's JSON: what was asked, when it was counted, and the rows."""
    return {
        "panel": panel,
        "counted_at": moment.isoformat(),
        "filters": {
            "since": filters.since.isoformat(),
            "until": filters.until.isoformat(),
            "kind": filters.kind,
            "site": filters.site,
            "model": filters.model_version,
            **({} if filters.arm is None else {"arm": filters.arm}),
        },
        "rows": panels.to_json(table),
    }
