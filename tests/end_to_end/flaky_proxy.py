"""A proxy to the service that loses requests and answers, and sometimes answers in its place."""

import http.client
import random
import socket
import threading
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

EVENTS = "/api/v1/events"
PORTAL = b"<!doctype html><title>Welcome to our Wi-Fi</title><form>Please agree to the terms.</form>"

# What may become of a batch of events: what the service hears of it, and what the extension hears of that.
OUTCOMES = {
    "well": 10,
    "unheard": 2,  # the connection ends before the service has heard
    "lost": 4,  # the service took it, then the connection ends without an answer
    "cut": 2,  # the service took it; half of its answer arrives
    "hangs": 1,  # the service took it; its answer comes too late for a worker that was killed, else in time
    "portal": 1,  # a page of the Wi-Fi answers in its place, with 200
    "moved": 1,
    "broken": 1,
    "busy": 1,
}


class FlakyProxy:
    """Listens on 127.0.0.1 and passes requests on to the service at ``address``.

    While ``flaky``, batches of events meet one of ``OUTCOMES``, drawn by ``chance``; while ``closed``, no request gets
    through at all. ``outcomes`` counts the outcomes.
    """

    def __init__(self, address: str, chance: random.Random) -> None:
        self.address = address
        self.flaky = True
        self.closed = False
        self.outcomes: Counter[str] = Counter()
        self._chance = chance
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def do_POST(self) -> None:
                proxy._pass(self)

            do_GET = do_DELETE = do_POST  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, client_address: object) -> None:
                pass  # An extension whose worker was killed does not wait for its answer.

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> "FlakyProxy":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _draw_outcome(self, path: str) -> str:
        if self.closed:
            return "unheard"
        if not self.flaky or path != EVENTS:
            return "well"
        return self._chance.choices(list(OUTCOMES), list(OUTCOMES.values()))[0]

    def _pass(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        outcome = self._draw_outcome(request.path)
        if request.path == EVENTS:
            self.outcomes[outcome] += 1
        if outcome == "portal":
            answer(request, 200, PORTAL, "text/html")
        elif outcome == "moved":
            answer(request, 302, b"", "text/html", Location="https://portal.invalid/")
        elif outcome == "broken":
            answer(request, 500, b"Internal Server Error", "text/plain")
        elif outcome == "busy":
            answer(request, 429, b"{}", "application/problem+json", **{"Retry-After": "1"})
        elif outcome == "unheard":
            cut(request)
        else:
            self._answer_badly(request, body, outcome)

    def _answer_badly(self, request: BaseHTTPRequestHandler, body: bytes, outcome: str) -> None:
        try:
            status, given, content_type = self._ask(request, body)
        except (OSError, http.client.HTTPException):
            cut(request)
            return
        if outcome == "hangs":
            time.sleep(1)
        if outcome == "lost":
            cut(request)
        elif outcome == "cut":
            answer(request, status, given[: len(given) // 2], content_type, **{"Content-Length": str(len(given))})
            cut(request)
        else:
            answer(request, status, given, content_type)

    def _ask(self, request: BaseHTTPRequestHandler, body: bytes) -> tuple[int, bytes, str]:
        connection = http.client.HTTPConnection(urlsplit(self.address).netloc, timeout=20)
        headers = {name: value for name, value in request.headers.items() if name.lower() not in ("host", "connection")}
        connection.request(request.command, request.path, body or None, headers)
        response = connection.getresponse()
        given = response.read()
        connection.close()
        return response.status, given, response.headers.get("Content-Type", "text/plain")


def answer(request: BaseHTTPRequestHandler, status: int, body: bytes, content_type: str, **headers: str) -> None:
    request.send_response(status)
    for name, value in ({"Content-Type": content_type, "Content-Length": str(len(body))} | headers).items():
        request.send_header(name, value)
    request.end_headers()
    request.wfile.write(body)


def cut(request: BaseHTTPRequestHandler) -> None:
    with suppress(OSError):
        request.connection.shutdown(socket.SHUT_RDWR)
