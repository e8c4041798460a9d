"""Structured logs: one line an event, in one form for our own, uvicorn's and every library's.

Lines are JSON where nobody sits at a terminal, and text where somebody does. A line of a request has its id, the
route's template and the extension's version: never an address, a query, a header or a body, nor who sent it.
"""

import json
import logging
import re
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any, Literal, TextIO

import structlog
from structlog.typing import EventDict, ExcInfo, FilteringBoundLogger, Processor, WrappedLogger

Form = Literal["auto", "json", "text"]
Level = Literal["auto", "info", "warning", "error"]

# An id that a client may choose for its request: nothing that could pass for a line or a field of the log.
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

# A request that takes longer is logged as a warning. Seconds.
SLOW = 1.0

# The modules whose errors have messages of our own.
OWN = ("backend.", "model.")

_request: ContextVar[dict[str, Any] | None] = ContextVar("request", default=None)

# Where lines of requests go; nowhere before `configure`.
_lines: FilteringBoundLogger | None = None


def begin_request(client_id: str) -> str:
    """Begin a request in this task, and return its id: its sender's own, if that is sane, or else a new one."""
    request_id = client_id if SANE_ID.fullmatch(client_id) else secrets.token_hex(16)
    _request.set({"request_id": request_id})
    return request_id


def request_id() -> str | None:
    """Return the id of the request that is being answered; None outside of one."""
    context = _request.get()
    return context["request_id"] if context else None


def note(**values: Any) -> None:
    """Add values to every later line of this request; outside of one, do nothing."""
    context = _request.get()
    if context is not None:
        context.update(values)


def log_request(method: str, route: str, status: int, seconds: float, error: BaseException | None = None) -> None:
    """Log a request: as an error at 5xx, with the exception, and as a warning if it was slow."""
    if _lines is None:
        return
    log = _lines.error if status >= 500 or error else _lines.warning if seconds >= SLOW else _lines.info
    values = {"method": method, "route": route, "status": status, "ms": round(seconds * 1000, 2)}
    log("request", **values, **({"exc_info": error} if error else {}))


def configure(form: Form, level: Level, stream: TextIO = sys.stderr) -> None:
    """Send all logs of this process to a stream.

    Args:
        form: ``auto`` is text at a terminal, else JSON.
        level: the least that is logged; ``auto`` is info in JSON, every request included, and warning in text.
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
    rendering: list[Processor] = [structlog.processors.ExceptionRenderer(traceback_without_values)]
    if form == "json":
        rendering.append(structlog.processors.JSONRenderer(_as_json))
    else:
        rendering += [
            _with_printable_text,
            structlog.dev.ConsoleRenderer(
                colors=terminal, timestamp_key="at", exception_formatter=structlog.dev.plain_traceback
            ),
        ]
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


def traceback_without_values(exc_info: ExcInfo) -> str:
    """Return a traceback with neither the values of variables nor the messages of errors that may quote one.

    A database's error quotes the row that it failed on, a validator's the input.
    """
    return "\n".join(_format_chain(exc_info[1], set()))


def _format_chain(error: BaseException | None, seen: set[int]) -> Iterator[str]:
    """Yield an error's traceback after those of the errors that led to it, each once."""
    if error is None or id(error) in seen:
        return
    seen.add(id(error))
    yield from _format_chain(error.__cause__ or (None if error.__suppress_context__ else error.__context__), seen)
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from _format_chain(part, seen)
    yield "Traceback (most recent call last):"
    yield "".join(traceback.format_tb(error.__traceback__)) + summarise_error(error)


def summarise_error(error: BaseException) -> str:
    """Return an error in one line: with its message only if that is the system's, or our own."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")
    if isinstance(error, OSError) and error.strerror:
        return f"{name}: {error.strerror}"
    if kind.__module__.startswith(OWN):
        return f"{name}: {error}"
    details = [getattr(error, field, None) for field in ("sqlstate", "table_name", "constraint_name")]
    return " ".join([name, *(str(detail) for detail in details if detail)])


def _with_printable_text(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Escape what a terminal would obey or hide, except line ends."""
    return {name: _printable(value) if isinstance(value, str) else value for name, value in event.items()}


def _printable(value: str) -> str:
    if value.isprintable():
        return value
    return "".join(
        char if char in " \n\t" or char.isprintable() else char.encode("unicode_escape").decode() for char in value
    )


def _with_request(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Add the values of the request to a line."""
    if context := _request.get():
        event.update(context)
    return event


# Made once: json.dumps makes one for every line that has anything but JSON's own defaults. In ASCII, since some readers
# of logs end a line at U+0085 or U+2028.
_encode = json.JSONEncoder(separators=(",", ":"), default=str).encode


def _as_json(event: EventDict, **more: Any) -> str:
    return _encode(event)
