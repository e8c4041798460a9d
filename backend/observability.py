"""The counters and histograms of this process, for Prometheus, and the middleware that times requests.

Names follow Prometheus: base units, ``_total`` on counters, no label with tags or users. PostgreSQL stays
the source of truth for acceptance; these say how the process is doing.
"""

import time

from prometheus_client import Counter, Histogram, Info
from starlette.types import ASGIApp, Message, Receive, Scope, Send

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
    ["outcome"],  # recorded, without_consent, unrecorded (database away), unknown_site
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
MODEL = Info("tagalong_model", "The model version that is served.")


class RequestTimer:
    """ASGI middleware that times every request, by route and status."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Time one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, watch)
        finally:
            # The template of the route, never the address itself: an address can hold an install's id.
            route = getattr(scope.get("route"), "path", None) or "none"
            method = scope["method"] if scope["method"] in KNOWN_METHODS else "other"
            REQUESTS.labels(method, route, str(status)).observe(time.perf_counter() - started)


KNOWN_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
