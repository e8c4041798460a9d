"""The counters and histograms of this process, for Prometheus, and the middleware that times and logs requests.

Names follow Prometheus: base units, ``_total`` on counters, no label with tags or users. PostgreSQL stays
the source of truth for acceptance; these say how the process is doing.
"""

import time

from prometheus_client import Counter, Gauge, Histogram, Info
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from backend.web import logs, problems

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

REQUESTS = Histogram(
    "tagalong_http_request_duration_seconds",
    "Time from a request's arrival to the end of its answer.",
    ["method", "route", "status"],
    buckets=BUCKETS,
)
INFERENCE = Histogram(
    "tagalong_inference_duration_seconds",
    "Time the classifier took for one draft, the wait for a free core included.",
    buckets=(0.00025, 0.0005, *BUCKETS),
)
SUGGESTIONS = Counter(
    "tagalong_suggestions",
    "Answers given to drafts, by what became of their record.",
    [
        "outcome"
    ],  # recorded, without_consent, unrecorded (database away), draft_full, over_bounds (address), unknown_site
)
EVENTS = Counter(
    "tagalong_events",
    "Events received from installs, by what became of them.",
    ["outcome"],  # new, known, refused
)
UNKNOWN_FIELDS = Counter(
    "tagalong_unknown_fields",
    "Fields of requests that this version does not know: a newer extension is about.",
)
MODEL = Info("tagalong_model", "The model version that is champion.")
MODELS_MISSING = Gauge("tagalong_models_missing", "Deployed model versions that this process could not load.")
CHALLENGER_ANSWERS = Counter(
    "tagalong_challenger_answers",
    "Answers that the challenger was to give, by what became of them.",
    ["outcome"],  # given, failed (the champion stood in)
)
SHADOW_ANSWERS = Counter(
    "tagalong_shadow_answers",
    "Answers of the version in the shadow, by what became of them.",
    ["outcome"],  # stored, dropped (no core was free, or the database is away), failed
)

SKIPPED = Counter(
    "tagalong_skipped",
    "Days and drafts that work in the background failed on and left out, by the work.",
    ["job"],  # sum up, settle, forget
)

# nginx's status for a request whose client left before its answer began.
CLIENT_LEFT = 499

REQUEST_ID = b"x-request-id"
KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetricsMiddleware:
    """ASGI middleware that gives every request an id, times it by route and status, and logs it.

    An exception that nothing has caught ends here, with the answer 500.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, error = time.perf_counter(), None
        client_id = next((value for name, value in scope["headers"] if name == REQUEST_ID), b"")
        request_id = logs.begin_request(client_id.decode("latin-1")).encode()
        status = CLIENT_LEFT

        async def send_and_note_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (REQUEST_ID, request_id)]
            await send(message)

        try:
            await self.app(scope, receive, send_and_note_status)
        except Exception as raised:
            # Here and not by uvicorn, which would write a traceback of its own.
            error = raised
            if status == CLIENT_LEFT:
                await problems.internal_error().response()(scope, receive, send_and_note_status)
        finally:
            # The template of the route, never the address itself: an address can hold an install's id.
            route = getattr(scope.get("route"), "path", None) or "none"
            method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
            seconds = time.perf_counter() - started
            REQUESTS.labels(method, route, str(status)).observe(seconds)
            logs.log_request(method, route, status, seconds, error)
