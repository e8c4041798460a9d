"""The admin's routes: /metrics as a page or an exposition, the report, and every panel's JSON and CSV."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.choices import list_choices
from backend.acceptance.counts import count_grid
from backend.acceptance.filters import Filters
from backend.acceptance.running import count_running
from backend.acceptance.statements import begin_snapshot
from backend.acceptance.value_estimate import USUAL, Assumptions
from backend.admin.auth import AdminAuth
from backend.admin.exposition import DatabaseFigures, render_exposition
from backend.admin.negotiation import wants_page
from backend.admin.page import read_page, render_page
from backend.admin.panels import TWINS
from backend.admin.panels.request import PanelRequest
from backend.admin.query import View, parse_query
from backend.admin.report import name_month, read_report, render_report
from backend.admin.silencing import render_silence_form, silence_as_asked
from backend.admin.templating import STYLE, render_problem
from backend.admin.twins import PanelTable, to_csv, to_json
from backend.alerts.rules import Rule
from backend.drift.service import newest_findings
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
    # With "no-referrer" browsers would leave the Origin out of a form's request, and it would be refused as foreign.
    "Referrer-Policy": "same-origin",
    "Vary": "Accept",
    "X-Content-Type-Options": "nosniff",
}


def utc_now() -> datetime:
    """Return the current moment."""
    return datetime.now(UTC)


class AdminRoute(APIRoute):
    """A route whose every response, errors included, has the admin's headers; to a browser, errors are pages.

    What answers GET answers HEAD too, as monitors of a URL ask; the server leaves out the body.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.methods and "GET" in self.methods:
            self.methods.add("HEAD")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the route's handler, with problems turned into responses."""
        handle = super().get_route_handler()

        async def handle_with_headers(request: Request) -> Response:
            try:
                response = await handle(request)
            except Problem as problem:
                response = problem_response(problem, request)
            response.headers.update(HEADERS)
            return response

        return handle_with_headers


def problem_response(problem: Problem, request: Request) -> Response:
    """Return a problem as a page to a browser, else as problem+json."""
    response: Response = problem.response()
    # Before signing in there is no page to show: the browser itself asks for the password.
    if problem.status_code == 401 or not wants_page(request.headers.get("accept", "")):
        return response
    headers = {name: value for name, value in response.headers.items() if name == "retry-after"}
    html = render_problem(problem.title, str(problem.detail))
    return HTMLResponse(html, status_code=problem.status_code, headers=headers)


@dataclass(frozen=True, slots=True)
class AdminPages:
    """Reads and renders what the admin sees.

    Attributes:
        sessions: opens a session in a transaction of its own; raises DatabaseAway.
        vocabulary: returns the tags of the model loaded now; empty if none is.
        rules: the rules of alerts, by name.
        now: the clock, in UTC.
        assumptions: of the estimate of what suggestions are worth.
    """

    sessions: Sessions
    vocabulary: Callable[[], Collection[str]]
    rules: Mapping[str, Rule]
    now: Callable[[], datetime]
    assumptions: Assumptions

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[AsyncSession]:
        """Open a session on one snapshot of the database.

        Raises:
            Problem: 503, if counting takes too long or the database fails.
        """
        try:
            async with asyncio.timeout(PAGE_LIMIT), self.sessions() as session:
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

    def panel_request(self, session: AsyncSession, view: View, moment: datetime) -> PanelRequest:
        """Return what panels read a view from."""
        return PanelRequest(session, view, self.vocabulary(), moment, self.rules, self.assumptions)

    async def read_page(self, request: Request) -> str:
        """Read and render the page."""
        moment = self.now()
        async with self.snapshot() as session:
            choices = await list_choices(session)
            view = parse_query(request.query_params.multi_items(), choices, moment.date())
            data = await read_page(self.panel_request(session, view, moment), choices)
        # Hundreds of days take a while to draw, and must not hold up suggestions.
        return await asyncio.to_thread(render_page, data)

    async def read_report(self, request: Request) -> str:
        """Read and render the report."""
        moment = self.now()
        async with self.snapshot() as session:
            choices = await list_choices(session)
            pairs, empty_month = await name_month(session, request.query_params.multi_items(), moment.date())
            view = parse_query(pairs, choices, moment.date())
            data = await read_report(self.panel_request(session, view, moment))
        return await asyncio.to_thread(render_report, data, empty_month)

    async def read_twin(self, request: Request, panel: str, form: str) -> Response:
        """Read a panel's table and write it as JSON or CSV."""
        moment = self.now()
        async with self.snapshot() as session:
            view = parse_query(request.query_params.multi_items(), await list_choices(session), moment.date())
            if view.only_tag and panel != "days":
                raise Problem(
                    422,
                    "Bad filter",
                    "Only the panel 'days' can be of one tag; 'tags' has the figures of each.",
                    filter="only_tag",
                )
            table = await TWINS[panel](self.panel_request(session, view, moment))
        if form == "json":
            return JSONResponse(await asyncio.to_thread(panel_document, panel, view, moment, table))
        name = f"tagalong-{panel}-{view.filters.since}-{view.filters.until}.csv"
        return Response(
            await asyncio.to_thread(to_csv, table),
            media_type="text/csv; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    async def silence_alert(self, request: Request) -> None:
        """Silence an alert until a day.

        Raises:
            Problem: the query makes no sense, or the database fails.
        """
        try:
            async with self.sessions() as session:
                await silence_as_asked(session, request, self.rules, self.now())
        except (DatabaseUnavailable, OSError) as error:
            raise Problem(503, "Not silenced", "The database can't be reached. Try again in a moment.") from error

    async def read_figures(self) -> DatabaseFigures | None:
        """Return what scrapers get from the database; None if it fails or takes too long."""
        now = self.now()
        yesterday = now.date() - timedelta(days=1)
        week = Filters(yesterday - timedelta(days=6), yesterday)
        try:
            async with asyncio.timeout(SCRAPE_LIMIT), self.sessions() as session:
                await begin_snapshot(session)
                return DatabaseFigures(
                    await count_running(session, now),
                    (await count_grid(session, week, (), now)).overview(),
                    await newest_findings(session, kind="ask"),
                )
        except (DatabaseUnavailable, SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("this scrape goes without the counts of items: %s", error_message(error))
            return None


def admin_router(
    *,
    password: str,
    sessions: Sessions,
    vocabulary: Callable[[], Collection[str]],
    rules: Mapping[str, Rule],
    on_refused: Callable[[str], None] = lambda client: None,
    now: Callable[[], datetime] = utc_now,
    assumptions: Assumptions = USUAL,
) -> APIRouter:
    """Return all the admin's routes, under /metrics, behind one check of the password that no route can forget.

    Args:
        password: the admin's password or its hash.
        sessions, vocabulary, rules, now, assumptions: see `AdminPages`.
        on_refused: called with the address of every wrong password.

    Raises:
        ValueError: the password is empty.
    """
    pages = AdminPages(sessions, vocabulary, rules, now, assumptions)
    router = APIRouter(
        prefix="/metrics",
        dependencies=[Depends(AdminAuth(password, on_refused=on_refused))],
        route_class=AdminRoute,
        include_in_schema=False,
    )

    @router.get("")
    async def metrics(request: Request) -> Response:
        accept = request.headers.get("accept", "")
        if wants_page(accept):
            return HTMLResponse(await pages.read_page(request))
        content, media_type = render_exposition(await pages.read_figures(), accept)
        return Response(content, media_type=media_type)

    @router.get("/silence")
    async def confirm_silence(request: Request) -> Response:
        return HTMLResponse(render_silence_form(request, rules, now()))

    @router.post("/alerts/silence")
    async def silence(request: Request) -> Response:
        await pages.silence_alert(request)
        return RedirectResponse("/metrics", status_code=303)

    @router.get("/report")
    async def report(request: Request) -> Response:
        return HTMLResponse(await pages.read_report(request))

    @router.get("/style.css")
    async def style() -> Response:
        return Response(STYLE, media_type="text/css")

    @router.get("/{panel}.{form}")
    async def twin(request: Request, panel: str, form: str) -> Response:
        if panel not in TWINS or form not in ("json", "csv"):
            raise Problem(
                404,
                "No such panel",
                f"Panels are {', '.join(TWINS)}, each as .json and .csv, as in /metrics/overview.json.",
            )
        return await pages.read_twin(request, panel, form)

    return router


def panel_document(panel: str, view: View, moment: datetime, table: PanelTable) -> dict[str, Any]:
    """Return a panel's JSON: the filters, when it was counted, and the rows."""
    filters, before = view.filters, view.before
    compared = {} if before == filters.before else {"compare": {"since": str(before.since), "until": str(before.until)}}
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
            **({"only_tag": view.only_tag} if view.only_tag else {}),
            **compared,
        },
        "rows": to_json(table),
    }
