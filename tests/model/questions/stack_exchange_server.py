"""A server that answers like the Stack Exchange API 2.3: compressed, in pages, with a quota, and with its errors."""

import gzip
import json
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

DENIED = {
    "error_id": 403,
    "error_name": "access_denied",
    "error_message": "page above 25 requires access token or app key",
}
FIRST_DAY = 1_700_000_000


@dataclass
class Site:
    """What the server has, and what it was asked. ``faults`` are given instead of answers, one each, in their order.

    A fault is a status, a content and, if need be, headers. Without a key ``most_pages`` are answered.
    """

    questions: dict[int, dict[str, Any]]
    quota: int = 300
    encoding: str = "gzip"
    backoffs: list[Any] = field(default_factory=list)
    faults: list[tuple[int, object] | tuple[int, object, dict[str, str]]] = field(default_factory=list)
    most_pages: int = 25
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    address: str = ""

    def respond(self, path: str, query: dict[str, str]) -> tuple[int, object]:
        if int(query.get("page", 1)) > self.most_pages and "key" not in query:
            return 400, DENIED
        return 200, self.answer(path, query)

    def answer(self, path: str, query: dict[str, str]) -> dict[str, Any]:
        found = list(self.questions.values())
        if path != "/2.3/questions":
            numbers = [int(number) for number in path.removeprefix("/2.3/questions/").split(";")]
            assert len(numbers) <= 100
            found = [self.questions[number] for number in numbers if number in self.questions]
        for tag in query.get("tagged", "").split(";"):
            found = [each for each in found if not tag or tag in each["tags"]]
        found = [each for each in found if each["creation_date"] >= int(query.get("fromdate", 0))]
        size, page = int(query["pagesize"]), int(query.get("page", 1))
        assert size <= 100
        assert query["filter"] == "withbody"
        self.quota -= 1
        wrapper = {
            "items": found[(page - 1) * size : page * size],
            "has_more": page * size < len(found),
            "quota_max": 300,
            "quota_remaining": self.quota,
        }
        return wrapper | ({"backoff": self.backoffs.pop(0)} if self.backoffs else {})


def question(number: int, *tags: str) -> dict[str, Any]:
    return {
        "question_id": number,
        "title": f"Question {number} about C &amp; C++",
        "body": f"<p>Body of {number}</p>",
        "tags": list(tags) or ["c", "c++"],
        "creation_date": FIRST_DAY + number,
        "owner": {"display_name": "not to be kept"},
    }


@contextmanager
def serving(site: Site) -> Iterator[Site]:
    """Serve a site on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            url = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(url.query).items()}
            site.asked.append((url.path, query))
            status, content, *more = site.faults.pop(0) if site.faults else site.respond(url.path, query)
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            if isinstance(content, dict):
                raw = gzip.compress(raw) if site.encoding == "gzip" else zlib.compress(raw)
            if status == 0:  # the connection breaks in the middle of an answer
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(raw)))
            for name, value in more[0].items() if more else ():
                self.send_header(name, value)
            if isinstance(content, dict):
                self.send_header("Content-Encoding", site.encoding)
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    site.address = f"http://127.0.0.1:{server.server_port}/2.3"
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
