"""Logs: one line a request with its id, in one format, and nothing of a draft or its writer."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from backend.suggestions.service import Suggester
from backend.web import logs
from tests.backend.service import ADDRESS, Service, a_batch, a_draft

pytestmark = pytest.mark.anyio

SECRET = "Xyzzyplugh"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The logging of pytest itself, given back at the end."""
    root = logging.getLogger()
    handlers, level, lines = root.handlers[:], root.level, logs._lines
    # The test's own client, which the service has not.
    monkeypatch.setattr(logging.getLogger("httpx2"), "disabled", True)
    yield
    logging.captureWarnings(False)
    root.handlers[:], logs._lines = handlers, lines
    root.setLevel(level)


@pytest.fixture
def written(as_before: None) -> io.StringIO:
    """What is logged, as JSON."""
    stream = io.StringIO()
    logs.configure("auto", "auto", stream)
    return stream


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def requests(stream: io.StringIO) -> list[dict[str, Any]]:
    return [line for line in lines(stream) if line["event"] == "request"]


async def test_each_request_is_one_line_with_its_id_and_the_extensions_version(
    service: Service, written: io.StringIO
) -> None:
    await service.suggest(extension_version="0.9.1")
    response = await service.client.get(f"/api/v1/installs/{uuid4()}?q={SECRET}", headers={"X-Request-Id": "given-7"})
    assert response.headers.get_list("x-request-id") == ["given-7"]
    assert response.json()["request_id"] == "given-7"
    suggested, exported = requests(written)
    assert suggested["extension_version"] == "0.9.1"
    assert (suggested["method"], suggested["route"], suggested["status"]) == ("POST", "/api/v1/suggestions", 200)
    assert suggested["level"] == "info"
    assert 0 < suggested["ms"] < 10_000
    assert suggested["at"].endswith("Z")
    assert exported | {"at": 0, "ms": 0} == {
        "event": "request",
        "level": "info",
        "at": 0,
        "request_id": "given-7",
        "method": "GET",
        "route": "/api/v1/installs/{install_id}",
        "status": 404,
        "ms": 0,
    }
    assert suggested["request_id"] != exported["request_id"]


@pytest.mark.parametrize("odd", ["", "a b", 'x"}', "<b>", "x" * 65, "\u00e9", "a\tb"])
async def test_an_unsafe_request_id_is_replaced(service: Service, written: io.StringIO, odd: str) -> None:
    response = await service.client.get("/health/live", headers={b"X-Request-Id": odd.encode("latin-1")})
    given = response.headers["x-request-id"]
    assert logs.SANE_ID.fullmatch(given)
    assert given != odd
    assert [line["request_id"] for line in requests(written)] == [given]


async def test_every_problem_carries_the_id_of_its_request(
    service: Service, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("a fault of our own")

    monkeypatch.setattr(Suggester, "answer", fail)
    post = service.client.post
    for expected, response in (
        (404, await service.client.get("/nowhere")),
        (405, await service.client.put("/api/v1/events", json={})),
        (400, await post("/api/v1/events", content=b"{", headers={"Content-Type": "application/json"})),
        (403, await post("/api/v1/events", json={}, headers={"Origin": "https://evil.example"})),
        (415, await post("/api/v1/events", content=b"{}", headers={"Content-Type": "text/plain"})),
        (422, await post("/api/v1/events", json={})),
        (401, await service.client.get("/metrics")),
        (500, await post("/api/v1/suggestions", json=a_draft())),
    ):
        assert response.status_code == expected
        assert response.headers.get_list("x-request-id") == [response.json()["request_id"]]
    told = requests(written)
    assert [line["status"] for line in told] == [404, 405, 400, 403, 415, 422, 401, 500]
    assert told[-1]["request_id"] == response.json()["request_id"]
    assert told[-1]["level"] == "error"


async def test_nothing_of_a_draft_its_writer_or_an_address_is_logged(
    service: Service, written: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    draft = a_draft(title=f"{SECRET} in the title of a draft", body=f"{SECRET} in its body")
    await service.suggest(**draft)
    await service.client.post("/api/v1/suggestions", json=draft | {"limit": SECRET, "kind": SECRET})
    await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [{"id": SECRET}]))
    await service.client.get(f"/{SECRET}?{SECRET}", headers={"User-Agent": SECRET, "Referer": SECRET})

    def fail(self: Any, title: str, *_: Any, **__: Any) -> None:
        raise KeyError(len(title))

    monkeypatch.setattr("model.serving.classifier.Classifier.suggest", fail)
    # As uvicorn does it: the fault of a request is told with its traceback.
    transport = httpx2.ASGITransport(app=service.app)
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        try:
            await client.post("/api/v1/suggestions", json=draft)
        except KeyError:
            logging.getLogger("uvicorn.error").exception("Exception in ASGI application")
    log = written.getvalue()
    assert len(requests(written)) == 5
    assert "KeyError" in log
    for secret in (SECRET, draft["install_id"], draft["draft_id"], "127.0.0.1"):
        assert secret not in log


async def test_what_libraries_log_during_a_request_has_its_id(written: io.StringIO) -> None:
    logs.begin_request("outer-1")
    logging.getLogger("sqlalchemy.pool").warning("a connection was lost after %d s\nand more", 3)
    (line,) = lines(written)
    assert line["event"] == "a connection was lost after 3 s\nand more"
    assert (line["logger"], line["level"], line["request_id"]) == ("sqlalchemy.pool", "warning", "outer-1")


async def test_at_a_terminal_only_failed_and_slow_requests_are_logged(
    service: Service, as_before: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = Terminal()
    logs.configure("auto", "auto", stream)
    await service.suggest()
    assert stream.getvalue() == ""
    monkeypatch.setattr(logs, "SLOW", 0.0)
    await service.suggest()
    assert "/api/v1/suggestions" in stream.getvalue()
    with pytest.raises(json.JSONDecodeError):
        json.loads(stream.getvalue().splitlines()[0])


async def test_format_and_level_can_be_set(service: Service, as_before: None) -> None:
    stream = io.StringIO()
    logs.configure("text", "info", stream)
    await service.client.get("/health/live")
    assert "/health/live" in stream.getvalue()
    assert "\x1b" not in stream.getvalue()
    stream = Terminal()
    logs.configure("json", "error", stream)
    await service.client.get("/health/live")
    logging.getLogger("backend").warning("too little")
    logging.getLogger("backend").error("enough")
    assert [line["event"] for line in lines(stream)] == ["enough"]
