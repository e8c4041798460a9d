"""Every error the service answers with, as application/problem+json (RFC 9457)."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from backend.postgres.database import DatabaseAway, DatabaseBusy, DatabaseDamaged
from backend.web import logs

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"

PROBLEM_SCHEMA = {
    "title": "Problem",
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string", "description": "The kind of problem"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What to do about it"},
        "request_id": {"type": "string", "description": "The request's name in the log, and in X-Request-Id"},
        "errors": {
            "type": "array",
            "description": "Of a 422: the first errors, each with its place",
            "items": {
                "type": "object",
                "properties": {"at": {"type": "array", "items": {}}, "message": {"type": "string"}},
            },
        },
    },
}

RESPONSES: dict[int | str, dict[str, Any]] = {
    status: {"description": meaning, "content": {MEDIA_TYPE: {"schema": PROBLEM_SCHEMA}}}
    for status, meaning in {
        400: "Foreign host, or malformed JSON",
        401: "An API key is needed",
        403: "A web page of another origin may not write here",
        404: "Unknown",
        409: "The draft belongs to another install",
        413: "The body is too large",
        415: "The body is not JSON",
        422: "The request does not fit its schema",
        429: "Too many requests; Retry-After says when to come back",
        503: "The database is away or busy; Retry-After says when to come back",
    }.items()
}
"""For the OpenAPI document: the problems that any route may answer with."""

# The name of a status is no help to the person who gets it; FastAPI raises these.
ADVICE = {
    404: "There is nothing at this address. /openapi.json lists what there is.",
    405: "This address does not take this method. /openapi.json lists what it takes.",
}


class Problem(HTTPException):
    """An error for the client: ``title`` names the kind, ``detail`` says what to do about it."""

    def __init__(
        self,
        status: int,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(status, detail=detail, headers=dict(headers or {}))
        self.title = title
        self.more = more

    def response(self) -> JSONResponse:
        """Return the problem as a response, for code that runs before any route, such as middleware."""
        content = {"type": "about:blank", "title": self.title, "status": self.status_code, "detail": self.detail}
        if name := logs.request_id():
            content["request_id"] = name
        return JSONResponse(
            content | self.more,
            status_code=self.status_code,
            headers=self.headers,
            media_type=MEDIA_TYPE,
        )


def database_away() -> Problem:
    """Return the answer while the database can't be reached: nothing was stored, and the client keeps its data."""
    return Problem(
        503,
        "Database away",
        "The database can't be reached, and nothing was stored. Send the same request again later.",
        headers={"Retry-After": "5"},
    )


def database_damaged() -> Problem:
    """Return the answer where a part of the database is damaged: the client keeps its data until it is mended."""
    return Problem(
        503,
        "Database damaged",
        "A part of the database is damaged, and nothing was stored. Whoever runs the service learns from "
        "`tagalong-server check` what to do. Send the same request again later.",
        headers={"Retry-After": "60"},
    )


def database_busy() -> Problem:
    """Return the answer to a request whose transaction gave way to others, or took too long."""
    return Problem(
        503,
        "Database busy",
        "The database was too busy with other work for this request, and nothing was stored. Send the same request "
        "again in a moment.",
        headers={"Retry-After": "1"},
    )


def too_many(what: str, detail: str, until: float) -> Problem:
    """Return the answer to a client over a limit; ``until`` is when it may try again, in Unix seconds."""
    wait = max(1, round(until - time.time()))
    return Problem(429, f"Too many {what}", f"{detail} Try again in {wait} s.", headers={"Retry-After": str(wait)})


# Of a request with more errors, or with very long ones, only so much is shown.
MAX_ERRORS, MAX_PLACE, MAX_MESSAGE = 20, 10, 300

# The messages of pydantic that repeat the input, and what stands in for them.
WITHOUT_INPUT = {
    "uuid_parsing": "Input should be a valid UUID",
    "union_tag_invalid": "Input should be one of {expected_tags}",
}


def invalid_request(errors: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the answer to a request that does not fit its schema: short, and quoting nothing of it."""
    shown = [{"at": place_of(error), "message": message_of(error)} for error in errors[:MAX_ERRORS]]
    first = shown[0]
    place = ".".join(str(part) for part in first["at"])
    more = f" {len(errors) - len(shown):,} more faults are left out." if len(errors) > len(shown) else ""
    return Problem(
        422,
        "Invalid request",
        f"{place}: {first['message']}. Nothing was stored; /openapi.json holds the schema.{more}",
        errors=shown,
    )


def place_of(error: Mapping[str, Any]) -> list[str | int]:
    """Return where an error is: names of fields and positions in lists."""
    return [part if isinstance(part, int) else str(part)[:50] for part in error["loc"][:MAX_PLACE]]


def message_of(error: Mapping[str, Any]) -> str:
    """Return what is wrong, without repeating what was sent."""
    template = WITHOUT_INPUT.get(error["type"])
    message: str = error["msg"] if template is None else template.format_map(error["ctx"])
    return message if len(message) <= MAX_MESSAGE else f"{message[:MAX_MESSAGE]}…"


async def on_problem(request: Request, problem: Exception) -> JSONResponse:
    """Answer with a problem raised anywhere below."""
    assert isinstance(problem, HTTPException)
    if isinstance(problem, Problem):
        return problem.response()
    if problem.status_code == 400:
        # FastAPI raises this for a body it can't parse, for whatever reason.
        return Problem(
            400, "Malformed JSON", "The body can't be read as JSON: send UTF-8, without endless depth or digits."
        ).response()
    detail = ADVICE.get(problem.status_code, problem.detail)
    title = str(problem.detail)
    headers = dict(problem.headers or {})
    if problem.status_code == 405:
        headers["Allow"] = ", ".join(methods_of(request))
    return Problem(problem.status_code, title, detail, headers=headers).response()


def methods_of(request: Request) -> list[str]:
    """Return the methods of a path. FastAPI names those of its first route only, where there are several."""

    def takes(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in request.app.routes)

    return [method for method in ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT") if takes(method)]


async def on_invalid(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that does not fit its schema; JSON that is no JSON at all gets 400."""
    assert isinstance(error, RequestValidationError)
    errors = list(error.errors())
    if errors and errors[0]["type"] == "json_invalid":
        position = errors[0]["loc"][-1]
        reason = errors[0].get("ctx", {}).get("error", "unreadable")
        return Problem(400, "Malformed JSON", f"The body is not JSON: {reason} at character {position}.").response()
    return invalid_request(errors).response()


async def on_database_away(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that needs the database while it is away."""
    return database_away().response()


async def on_database_damaged(request: Request, error: Exception) -> JSONResponse:
    """Answer a request that needs a part of the database which is damaged."""
    return database_damaged().response()


async def on_database_busy(request: Request, error: Exception) -> JSONResponse:
    """Answer a request whose transaction was not committed although the database is there."""
    return database_busy().response()


def internal_error() -> Problem:
    """Return the answer after an unexpected exception: it is in the log, and the client learns nothing of it."""
    return Problem(
        500,
        "Internal error",
        "The service made an error and has logged it. The same request may succeed later.",
        headers={"Connection": "close"},
    )


def install_handlers(app: FastAPI, on_malformed: Callable[[], None] = lambda: None) -> None:
    """Make ``app`` answer every error as a problem.

    Args:
        app: the application.
        on_malformed: called for every request that does not fit its schema, or is no JSON at all.
    """

    async def count_and_answer(request: Request, error: Exception) -> JSONResponse:
        on_malformed()
        return await on_invalid(request, error)

    app.add_exception_handler(HTTPException, on_problem)
    app.add_exception_handler(RequestValidationError, count_and_answer)
    app.add_exception_handler(DatabaseAway, on_database_away)
    app.add_exception_handler(DatabaseDamaged, on_database_damaged)
    app.add_exception_handler(DatabaseBusy, on_database_busy)
