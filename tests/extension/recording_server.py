"""A service for tests of the extension: follows the contract, records every request, and fails on demand."""

import hashlib
import json
import re
import socket
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "light-00000000"
ITEM_EVENTS = {"viewed", "accepted", "removed", "dismissed", "restored"}
SUGGESTED_FIELDS = {
    "suggestion_id", "draft_kind", "site", "page", "extension_version", "model_version", "tags", "scores", "confident",
    "title_chars", "body_chars", "latency_ms", "order", "chosen_tags",
}  # fmt: skip
SUGGESTION_FIELDS = {
    "draft_id", "install_id", "extension_version", "kind", "page", "site", "title", "body", "body_format",
    "chosen_tags", "limit", "record",
}  # fmt: skip


@dataclass
class Request:
    """One request as received; ``body`` is its JSON, ``key`` its Authorization header."""

    method: str
    path: str
    origin: str | None
    body: Any
    at: float
    key: str | None = None


@dataclass
class Failure:
    """A failure instead of the right answer.

    ``lost``: the request takes effect, then the connection ends without an answer.
    """

    status: int = 500
    retry_after: str | None = None
    text: str | None = None
    lost: bool = False
    delay: float = 0.0


Offers = list[tuple[str, float]]


@dataclass
class RecordingServer:
    """A server that answers with ``offers`` (or what ``decide`` returns), and stores events by their ids.

    ``recording`` off: the database is away. ``honors_record`` off: the service records without consent. ``api_key``,
    if set, is required by /api. ``failures`` are, by path, what the next requests get instead of an answer;
    ``malformed_tags`` are tags whose events make their whole batch malformed. ``sites`` are those that the model knows;
    ``device_model`` is the file that devices get.
    """

    offers: Offers = field(default_factory=list)
    uses: dict[str, int] = field(default_factory=dict)
    because: dict[str, list[str]] = field(default_factory=dict)
    decide: Callable[[dict[str, Any]], Offers] | None = None
    delay: Callable[[dict[str, Any]], float] | None = None
    recording: bool = True
    honors_record: bool = True
    api_key: str = ""
    sites: set[str] = field(default_factory=lambda: {"stackoverflow.com"})
    malformed_tags: set[str] = field(default_factory=set)
    max_events: int = 100
    device_model: bytes | None = None
    requests: list[Request] = field(default_factory=list)
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    failures: dict[str, deque[Failure]] = field(default_factory=dict)
    erased: list[str] = field(default_factory=list)
    port: int = 0

    def start(self, port: int = 0) -> None:
        """Listen on the loopback interface; the port stays the same after a stop."""
        recorder = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                recorder._handle(self)

            def do_POST(self) -> None:
                recorder._handle(self)

            def do_DELETE(self) -> None:
                recorder._handle(self)

            def log_message(self, *args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # A browser that aborts a request is not an error.

        self._http = Server(("127.0.0.1", port or self.port), Handler)
        self.port = self._http.server_address[1]
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, path: str, *failures: Failure) -> None:
        self.failures.setdefault(path, deque()).extend(failures)

    def requests_to(self, path: str) -> list[Request]:
        return [request for request in list(self.requests) if request.path == path]

    @property
    def drafts(self) -> list[dict[str, Any]]:
        """The bodies of the requests for suggestions."""
        return [request.body for request in self.requests_to("/api/v1/suggestions")]

    def received_events(self) -> list[tuple[str, str | None]]:
        """Return kind and tag of every accepted event, in the order of ``sequence``."""
        ordered = sorted(self.events.values(), key=lambda event: event["sequence"])
        return [(event["kind"], event.get("tag")) for event in ordered]

    def _handle(self, http: BaseHTTPRequestHandler) -> None:
        length = int(http.headers.get("Content-Length") or 0)
        raw = http.rfile.read(length)
        body = json.loads(raw) if raw else None
        key = http.headers.get("Authorization")
        self.requests.append(Request(http.command, http.path, http.headers.get("Origin"), body, time.time(), key))
        failures = self.failures.get(http.path)
        failure = failures.popleft() if failures else None
        if failure and failure.delay:
            time.sleep(failure.delay)
        if failure and not failure.lost and not (failure.delay and failure.status == 200):
            content_type = "text/html" if failure.text else "application/problem+json"
            text = failure.text if failure.text is not None else json.dumps({"title": f"fails {failure.status}"})
            headers = {"Retry-After": failure.retry_after} if failure.retry_after else {}
            self._send(http, failure.status, text, content_type, headers)
            return
        if self.api_key and http.path.startswith("/api/") and key != f"Bearer {self.api_key}":
            status, answer = 401, {"title": "API key needed"}
        else:
            status, answer = self._respond(http.command, http.path, body)
        if failure and failure.lost:
            http.connection.shutdown(socket.SHUT_RDWR)
            return
        if http.path == "/api/v1/models/device" and self.device_model is not None:
            self._send_model(http, self.device_model)
            return
        content_type = "application/json" if status < 400 else "application/problem+json"
        self._send(http, status, json.dumps(answer), content_type, {})

    @staticmethod
    def _send_model(http: BaseHTTPRequestHandler, model: bytes) -> None:
        etag = f'"{hashlib.sha256(model).hexdigest()}"'
        known = etag in (http.headers.get("If-None-Match") or "").split(", ")
        http.send_response(304 if known else 200)
        http.send_header("ETag", etag)
        http.send_header("Content-Length", "0" if known else str(len(model)))
        http.end_headers()
        if not known:
            http.wfile.write(model)

    @staticmethod
    def _send(http: BaseHTTPRequestHandler, status: int, text: str, content_type: str, headers: dict[str, str]) -> None:
        http.send_response(status)
        payload = text.encode() if status != 204 else b""
        for name, value in {**headers, "Content-Type": content_type, "Content-Length": len(payload)}.items():
            http.send_header(name, str(value))
        http.end_headers()
        http.wfile.write(payload)

    def _respond(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        if (method, path) == ("POST", "/api/v1/suggestions"):
            return self._suggest(body)
        if (method, path) == ("POST", "/api/v1/suggestions/batch"):
            return 200, {"model_version": MODEL, "answers": [{"items": []} for _ in body["drafts"]]}
        if (method, path) == ("POST", "/api/v1/events"):
            return self._record_events(body)
        if path == "/health/ready":
            return 200, {"status": "ready", "model": MODEL, "database": "present" if self.recording else "away"}
        if match := re.fullmatch(r"/api/v1/installs/([0-9a-f-]{36})", path):
            if method == "DELETE":
                self.erased.append(match[1])
                return 204, None
            return 200, {"install_id": match[1], "events": list(self.events.values())}
        return 404, {"title": "not found"}

    def _suggest(self, body: dict[str, Any]) -> tuple[int, Any]:
        problems = [name for name in ("draft_id", "install_id") if not _is_uuid(body.get(name))]
        problems += sorted(set(body) - SUGGESTION_FIELDS)
        if body.get("kind") not in {"ask", "edit"} or not isinstance(body.get("record"), bool):
            problems.append("kind or record")
        if not isinstance(body.get("title"), str) or len(body["title"]) > 300 or len(body["body"]) > 50_000:
            problems.append("title or body")
        if problems:
            return 422, {"title": "malformed", "detail": ", ".join(problems)}
        if self.delay:
            time.sleep(self.delay(body))
        if body["site"] not in self.sites:
            notice = f"The model does not know {body['site']}."
            return 200, {"suggestion_id": None, "model_version": MODEL, "items": [], "notice": notice}
        offers = self.decide(body) if self.decide else self.offers
        items = [
            {
                "tag": tag,
                "score": score,
                "confident": score >= 0.3,
                "uses": self.uses.get(tag, 1000),
                "because": self.because.get(tag, []),
            }
            for tag, score in offers
            if tag not in body["chosen_tags"]
        ]
        recorded = self.recording and (body["record"] or not self.honors_record)
        return 200, {
            "suggestion_id": str(uuid.uuid4()) if recorded else None,
            "model_version": MODEL,
            "items": items,
        }

    def _record_events(self, body: dict[str, Any]) -> tuple[int, Any]:
        events = body["events"]
        if len(events) > self.max_events:
            return 413, {"title": "too many events"}
        if not events or any(self._problem(event) for event in events):
            return 422, {"title": "malformed", "detail": "; ".join(filter(None, map(self._problem, events)))}
        known = sum(event["id"] in self.events for event in events)
        for event in events:
            self.events.setdefault(event["id"], {**event, "install_id": body["install_id"]})
        return 200, {"new": len(events) - known, "known": known, "refused": []}

    def _problem(self, event: dict[str, Any]) -> str:
        """Return why an event is malformed; empty if it is not."""
        common = {"id", "sequence", "occurred_at", "kind", "draft_id"}
        if event.get("tag") in self.malformed_tags:
            return "malformed tag"
        if event.get("kind") == "posted":
            fields = common | {"tags", "question_id", "site"}
        elif event.get("kind") in ITEM_EVENTS:
            fields = common | {"suggestion_id", "tag"} | ({"position"} if event["kind"] == "viewed" else set())
        elif event.get("kind") == "suggested":
            fields = common | SUGGESTED_FIELDS
        else:
            return "kind"
        if set(event) - {"origin"} != fields or event.get("origin", "device") != "device":
            return f"fields {sorted(set(event) ^ fields)}"
        if not all(_is_uuid(event[name]) for name in {"id", "draft_id", "suggestion_id"} & fields):
            return "an id"
        if type(event["sequence"]) is not int or event["sequence"] < 1:
            return "sequence"
        if "position" in fields and (type(event["position"]) is not int or event["position"] < 1):
            return "position"
        if not event["occurred_at"].endswith("Z") or not datetime.fromisoformat(event["occurred_at"]):
            return "occurred_at"
        return ""


def _is_uuid(value: object) -> bool:
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value
    except ValueError:
        return False
