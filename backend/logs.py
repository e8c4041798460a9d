"""The logs: one line an event, in one form for our own, uvicorn's and every library's.

Lines are JSON where nobody sits at a terminal, and text where somebody does. A line of a request has its id, the
route's template and the extension's version: never an address, a query, a header or a body, nor who sent it.
"""

import json
import logging
import re
import secrets
import sys
from contextvars import ContextVar
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Form = Literal["auto", "json", "text"]
Level = Literal["auto", "info", "warning", "error"]

# What others may call a request: an id of their own making, but nothing that could be a line or a word of its own.
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# A request that takes longer is told as a warning. Seconds.
SLOW = 1.0

_request: ContextVar[dict[str, Any] | None] = ContextVar("request", default=None)

# Where lines of requests go; nowhere before `configure`.
_lines: FilteringBoundLogger | None = None


def begin_request(given_id: str) -> str:
    """Begin a request of this task, with the id that its sender gave it, if that is sane, or else a new one."""
    request_id = given_id if SANE_ID.fullmatch(given_id) else secrets.token_hex(16)
    _request.set({"request_id": request_id})
    return request_id


def request_id() -> str | None:
    """The id of the request that is being answered; None outside of one."""
    noted = _request.get()
    return noted["request_id"] if noted else None


def note(**values: Any) -> None:
    """Note what is known of the request by now; every later line of it has that. Outside of one, nothing is noted."""
    noted = _request.get()
    if noted is not None:
        noted.update(values)


def tell_request(method: str, route: str, status: int, seconds: float) -> None:
    """Write the line of a request that has been answered: an error at 5xx, a warning where it was slow."""
    if _lines is None:
        return
    tell = _lines.error if status >= 500 else _lines.warning if seconds >= SLOW else _lines.info
    tell("request", method=method, route=route, status=status, ms=round(seconds * 1000, 2))


def configure(form: Form, level: Level, stream: TextIO = sys.stderr) -> None:
    """Send all logs of this process to a stream.

    Args:
        form: ``auto`` is text at a terminal, else JSON.
        level: the least that is told; ``auto`` is info in JSON, every request included, and warning in text.
        stream: where to.
    """
    global _lines
    terminal = stream.isatty()
    if form == "auto":
        form = "text" if terminal else "json"
    if level == "auto":
        level = "info" if form == "json" else "warning"
    common: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="at"),
        _with_request,
    ]
    # Without the values of variables: a draft's text may be among them.
    rendering: list[Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(_as_json)]
        if form == "json"
        else [
            structlog.dev.ConsoleRenderer(
                colors=terminal, timestamp_key="at", exception_formatter=structlog.dev.plain_traceback
            )
        ]
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *rendering],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.captureWarnings(True)
    # Past Python's own logging, which takes as long again, and there is a line for every request.
    _lines = structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[*common, *rendering],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        cache_logger_on_first_use=True,
    ).bind()


def _with_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add what is noted of the request to a line."""
    if noted := _request.get():
        event.update(noted)
    return event


# Made once: json.dumps makes one for every line that has anything but JSON's own defaults.
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=str).encode


def _as_json(event: EventDict, **more: Any) -> str:
    return _encode(event)
