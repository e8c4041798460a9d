"""Tracing: where a request's time goes, as spans for a collector (OpenTelemetry). Needs the extra ``traces``.

Switched on by OpenTelemetry's own variable OTEL_EXPORTER_OTLP_ENDPOINT; its other variables hold too. Spans have what
the log has of a request and no more: no URL, no text of a draft, no id of an install.
"""

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from importlib.metadata import version
from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.web import logs
from backend.web.metrics import KNOWN_METHODS

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")

_NO_SPAN: AbstractContextManager[None] = nullcontext()
_tracer: "Tracer | None" = None


class TracingUnavailable(Exception):
    """A collector is named, but the exporter is not installed; the message says what to do."""


def is_enabled() -> bool:
    """Return whether the environment names a collector."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def start() -> Callable[[], None]:
    """Start to send spans to the collector that the environment names; return what sends the last ones and stops.

    Raises:
        TracingUnavailable: the extra is not installed.
    """
    global _tracer
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError as error:
        raise TracingUnavailable(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but {error.name} is not installed. Install tagalong with its extra "
            "'traces', or take the variable away."
        ) from error
    name = os.environ.get("OTEL_SERVICE_NAME") or "tagalong"
    provider = TracerProvider(resource=Resource.create({"service.name": name, "service.version": version("tagalong")}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = provider.get_tracer("tagalong")

    def stop() -> None:
        global _tracer
        _tracer = None
        provider.shutdown()

    return stop


def span(name: str, **attributes: str | int) -> AbstractContextManager[object]:
    """Return a context manager that puts a block into a span of the request's; it does nothing if tracing is off."""
    if _tracer is None:
        return _NO_SPAN
    # An exception's message could quote a draft.
    return _tracer.start_as_current_span(
        name, attributes=attributes, record_exception=False, set_status_on_exception=False
    )


class TracingMiddleware:
    """ASGI middleware that puts every request into a span, as a part of its sender's trace if it names one."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request within a span."""
        if scope["type"] != "http" or _tracer is None:
            await self.app(scope, receive, send)
            return
        # Here, as in `start`, since the extra may not be installed.
        from opentelemetry.trace import SpanKind, Status, StatusCode
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        outer = TraceContextTextMapPropagator().extract(Headers(scope=scope))
        method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
        status = 500

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with _tracer.start_as_current_span(
            method, outer, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ) as current:
            logs.note(trace_id=f"{current.get_span_context().trace_id:032x}")
            try:
                await self.app(scope, receive, send_and_note_status)
            finally:
                route = getattr(scope.get("route"), "path", None) or "none"
                current.update_name(f"{method} {route}")
                current.set_attributes(
                    {
                        "http.request.method": method,
                        "http.route": route,
                        "http.response.status_code": status,
                        "tagalong.request_id": logs.request_id() or "",
                    }
                )
                if status >= 500:
                    current.set_status(Status(StatusCode.ERROR))
