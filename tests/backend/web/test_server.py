"""The server: slow clients, endless bodies, what is not HTTP, and a shutdown that loses no request."""

import asyncio
import io
import json
import logging
import signal
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import uvicorn

from backend.app import create_app
from backend.settings import Settings
from backend.suggestions.service import Suggester
from backend.web import logs, middleware, server
from tests.backend.service import a_draft

pytestmark = pytest.mark.anyio

ASK = b"POST /api/v1/suggestions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass
class Listening:
    """A server on a port of 127.0.0.1."""

    server: server.Server
    port: int

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def exchange(self, *pieces: bytes, pause: float = 0) -> bytes:
        """Send pieces, and read until the server closes the connection."""
        reader, writer = await self.connect()

        async def send() -> None:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)

        sending = asyncio.create_task(send())
        try:
            return await asyncio.wait_for(reader.read(), 20)
        finally:
            sending.cancel()
            writer.close()

    async def request(self, request: bytes) -> tuple[bytes, dict[str, Any]]:
        """Send a request on a connection of its own; its head and the body's JSON."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await read_answer(reader)
        writer.close()
        return answer


Listen = Callable[..., AbstractAsyncContextManager[Listening]]
Log = Callable[[], list[dict[str, Any]]]


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, Any]]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head, json.loads(await reader.readexactly(length))


def assert_problem(answer: bytes, status: int) -> dict[str, Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"content-type: application/problem+json" in head
    problem: dict[str, Any] = json.loads(body)
    assert problem["status"] == status
    return problem


@pytest.fixture
def listening(database_url: str) -> Listen:
    @asynccontextmanager
    async def listen(*, drain_seconds: float = 0) -> AsyncIterator[Listening]:
        settings = Settings(database_url=database_url, admin_password="correct horse", rate_limit=0, model_tier="light")
        app = create_app(settings)
        with socket.create_server(("127.0.0.1", 0)) as free:
            config = uvicorn.Config(app, http=server.BoundedHttpProtocol, ws="none", log_config=None, access_log=False)
            running = server.Server(config, drain_seconds=drain_seconds, on_drain=app.state.drain)
            serving = asyncio.create_task(running.serve(sockets=[free]))
            while not running.started:
                assert not serving.done()
                await asyncio.sleep(0.02)
            try:
                yield Listening(running, free.getsockname()[1])
            finally:
                running.should_exit = True
                await serving

    return listen


async def test_slow_clients_get_408_and_hold_up_nobody(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_TIMEOUT", 2.0)
    async with listening() as service:
        head = ASK + b"Content-Length: 5000\r\n\r\n"
        drips = [head[n : n + 1] for n in range(60)]
        slow = [asyncio.create_task(service.exchange(*drips, pause=0.2)) for _ in range(50)]
        slow += [asyncio.create_task(service.exchange(head, *[b" "] * 100, pause=0.2)) for _ in range(50)]
        slow += [asyncio.create_task(service.exchange()) for _ in range(50)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(1):
            _, live = await service.request(LIVE)
        assert live == {"status": "live"}
        for answer in await asyncio.gather(*slow):
            assert_problem(answer, 408)
        body = json.dumps(a_draft(record=False)).encode()
        _, answered = await service.request(ASK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert answered["items"]


async def test_a_keep_alive_connection_may_wait_between_requests(
    listening: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "REQUEST_TIMEOUT", 0.3)
    async with listening() as service:
        reader, writer = await service.connect()
        for _ in range(3):
            writer.write(LIVE)
            assert (await read_answer(reader))[1] == {"status": "live"}
            await asyncio.sleep(0.5)
        writer.write(LIVE[:20])
        assert_problem(await asyncio.wait_for(reader.read(), 5), 408)
        writer.close()


async def test_an_endless_head_is_cut_off(listening: Listen) -> None:
    async with listening() as service:
        endless = service.exchange(LIVE[:-2] + b"X: ", *[b"x" * 10_000] * 100)
        assert_problem(await endless, 431)
        large = LIVE[:-2] + b"X: " + b"x" * 10_000 + b"\r\n\r\n"
        assert (await service.request(large))[1] == {"status": "live"}


async def test_an_endless_body_is_cut_off(listening: Listen) -> None:
    async with listening() as service:
        chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
        _, writer = await service.connect()
        writer.write(ASK + b"Transfer-Encoding: chunked\r\n\r\n")
        sent = 0
        try:
            async with asyncio.timeout(20):
                while sent < 100 << 20:
                    writer.write(chunk)
                    await writer.drain()
                    sent += len(chunk)
        except ConnectionError:
            pass
        assert sent < 60 << 20
        writer.close()
        _, live = await service.request(LIVE)
        assert live == {"status": "live"}


REFUSED = {
    "kept": (ASK, 10_000_000, 413),
    "closed": (ASK + b"Connection: close\r\n", 10_000_000, 413),
    "HTTP 1.0": (ASK.replace(b"HTTP/1.1", b"HTTP/1.0"), 2_000_000, 413),
    "no JSON": (ASK.replace(b"application/json", b"text/plain") + b"Connection: close\r\n", 900_000, 415),
    "foreign": (ASK + b"Origin: https://example.org\r\nConnection: close\r\n", 900_000, 403),
}


async def test_a_client_that_sends_all_before_reading_gets_the_refusal(listening: Listen) -> None:
    def send_then_read(port: int, head: bytes, size: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(head + f"Content-Length: {size}\r\n\r\n".encode())
            for _ in range(0, size, 10_000):
                connection.sendall(b" " * 10_000)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    async with listening() as service:
        for head, size, status in REFUSED.values():
            assert_problem(await asyncio.to_thread(send_then_read, service.port, head, size), status)


async def test_a_client_that_does_not_stop_sending_is_cut_off(
    listening: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "LINGER_TIMEOUT", 0.5)
    async with listening() as service:
        reader, writer = await service.connect()
        writer.write(ASK + b"Content-Length: 2000000\r\n\r\n")
        assert_problem(await asyncio.wait_for(reader.read(), 5), 413)
        cut_off = False
        async with asyncio.timeout(5):
            while not cut_off:
                writer.write(b" ")
                try:
                    await writer.drain()
                except ConnectionError:
                    cut_off = True
                await asyncio.sleep(0.05)
        writer.close()


JUNK = {
    "TLS, to a port without": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 100,
    "SMTP": b"HELO there\r\n\r\n",
    "two lengths": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "negative length": b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: -1\r\n\r\n",
    "no ASCII": b"GET /\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    "bad header": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nBad Header: x\r\n\r\n",
}


async def test_what_is_not_http_gets_a_problem(listening: Listen) -> None:
    async with listening() as service:
        for junk in JUNK.values():
            assert_problem(await service.exchange(junk), 400)


async def test_too_many_connections_get_503(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 5)
    async with listening() as service:
        open_ones = [await service.connect() for _ in range(5)]
        await asyncio.sleep(0.1)
        assert_problem(await service.exchange(), 503)
        for _, writer in open_ones:
            writer.close()
        await asyncio.sleep(0.1)
        _, live = await service.request(LIVE)
        assert live == {"status": "live"}


async def test_on_sigterm_the_server_serves_until_the_drain_period_ends(listening: Listen) -> None:
    async with listening(drain_seconds=1.5) as service:
        reader, writer = await service.connect()
        service.server.handle_exit(signal.SIGTERM, None)
        service.server._captured_signals.clear()  # else it would be raised again, and end the tests
        head, problem = await service.request(b"GET /health/ready HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert problem["title"] == "Ending"
        writer.write(LIVE)
        head, live = await read_answer(reader)
        assert live == {"status": "live"}
        assert b"connection: close" in head.lower()
        assert await reader.read() == b""
        assert not service.server.should_exit
        await asyncio.sleep(2)
        assert service.server.should_exit
        with pytest.raises(ConnectionError):
            await service.connect()


async def until_closed(service: Listening) -> None:
    """Return when the server has no connection any more."""
    async with asyncio.timeout(30):
        while service.server.server_state.connections:
            await asyncio.sleep(0.02)


async def test_d2_a_client_that_never_reads_is_cut_off_and_others_are_served(
    listening: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "READ_TIMEOUT", 1.0)
    async with listening() as service:
        schema = LIVE.replace(b"/health/live", b"/openapi.json")
        silent = []
        for _ in range(10):
            connection = socket.create_connection(("127.0.0.1", service.port))
            connection.setblocking(False)
            connection.send(schema * 150)  # more than the kernel's buffers take of the answers
            silent.append(connection)
        async with asyncio.timeout(20):
            assert (await service.request(LIVE))[1] == {"status": "live"}
        await until_closed(service)
        for connection in silent:
            connection.close()


async def test_d2_a_client_that_reads_slowly_gets_the_whole_answer(
    listening: Listen, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A fraction of what the whole answer takes, and far more than one piece of it on a busy machine.
    monkeypatch.setattr(server, "READ_TIMEOUT", 1)
    monkeypatch.setattr(server, "MIN_READ", 1 << 10)
    async with listening() as service:
        schema = LIVE.replace(b"/health/live", b"/openapi.json")
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port, limit=1 << 12)
        writer.write(schema * 299 + schema.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        answer = bytearray()
        while piece := await asyncio.wait_for(reader.read(1 << 19), 20):
            answer += piece
            if len(answer) < 2 << 20:
                await asyncio.sleep(0.1)
        writer.close()
        assert answer.count(b"HTTP/1.1 200 OK") == 300
        assert answer.endswith(b"}")


async def test_d3_unfinished_bodies_share_one_limit(listening: Listen, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(middleware, "BODIES_LIMIT", 8 << 20)
    monkeypatch.setattr(middleware, "LARGE_BODIES_LIMIT", 6 << 20)
    head = ASK.replace(b"/suggestions", b"/suggestions/batch") + b"Content-Length: 14000000\r\n\r\n"
    async with listening() as service:
        held = [await service.connect() for _ in range(8)]
        for _, writer in held:
            writer.write(head + b" " * 2_000_000)
        answers = [asyncio.ensure_future(reader.read()) for reader, _ in held]
        # 8 times 2 MB are more than 6 MiB: somebody must be told, and somebody must not.
        done, waiting = await asyncio.wait(answers, return_when=asyncio.FIRST_COMPLETED, timeout=20)
        assert done
        assert waiting
        for answer in done:
            assert_problem(answer.result(), 503)
            assert b"retry-after: 1" in answer.result()
        # An ordinary draft has room still.
        body = json.dumps(a_draft(record=False, body="x" * 40_000)).encode()
        _, answered = await service.request(ASK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert answered["items"]
        for _, writer in held:
            writer.close()
        await asyncio.gather(*answers, return_exceptions=True)
        await until_closed(service)
        # All of it is given back: a batch of nearly all there is gets in, and is told that it is no JSON.
        assert_problem(await service.exchange(head.replace(b"14000000", b"6000000") + b" " * 6_000_000), 400)


HEADS = {
    "an address of 66,000 characters": (b"GET /" + b"x" * 66_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
    "an address of 17,000 characters": (b"GET /?" + b"x" * 17_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 414),
    "one large header": (LIVE[:-2] + b"X: " + b"x" * 70_000 + b"\r\n\r\n", 431),
    "many small headers": (LIVE[:-2] + b"X: x\r\n" * 12_000 + b"\r\n", 431),
    "two hosts": (LIVE[:-2] + b"Host: 127.0.0.1\r\n\r\n", 400),
    "another host in the address": (LIVE.replace(b"/health", b"http://evil.example/health"), 400),
    "the host in the address only": (b"GET http://127.0.0.1/health/live HTTP/1.1\r\n\r\n", 400),
    "no host": (b"GET /health/live HTTP/1.1\r\n\r\n", 400),
    "two lengths that agree": (ASK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400),
    "two types": (ASK + b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}", 400),
    "two keys": (ASK + b"Authorization: Bearer a\r\nAuthorization: Bearer b\r\nContent-Length: 2\r\n\r\n{}", 400),
    "a zero in the host": (LIVE.replace(b"127.0.0.1", b"127.0.0.1\0"), 400),
    "a letter that is no ASCII in the host": (LIVE.replace(b"127.0.0.1", b"127.0.0.1\xe9"), 400),
    "a tunnel": (b"CONNECT 127.0.0.1:80 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", 400),
}


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"], ids=["kept", "closed"])
async def test_d14_an_ambiguous_or_too_large_head_is_refused(listening: Listen, close: bytes) -> None:
    async with listening() as service:
        for name, (head, status) in HEADS.items():
            line, _, rest = head.partition(b"\r\n")
            reader, writer = await service.connect()
            writer.write(line + b"\r\n" + close + rest)
            answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
            writer.close()
            assert answer.startswith(f"HTTP/1.1 {status} ".encode()), (name, answer[:200])
            assert b"application/problem+json" in answer
        same = LIVE.replace(b"/health", b"HTTP://127.0.0.1/health")
        assert (await service.request(same))[1] == {"status": "live"}


@pytest.fixture
def log() -> Iterator[Log]:
    """Returns the lines of the log so far, as JSON."""
    root = logging.getLogger()
    handlers, level, lines = root.handlers[:], root.level, logs._lines
    stream = io.StringIO()
    logs.configure("json", "info", stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logging.captureWarnings(False)
    root.handlers[:], logs._lines = handlers, lines
    root.setLevel(level)


async def test_d15_a_client_that_pipelines_and_leaves_costs_one_log_line_a_request(listening: Listen, log: Log) -> None:
    body = json.dumps(a_draft(record=False)).encode()
    ask = ASK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    schema = LIVE.replace(b"/health/live", b"/openapi.json")
    async with listening() as service:
        started = len(log())
        for sent in (ask * 5, ask * 5 + ask[:-9], ask[:-9], schema * 300, schema * 300 + LIVE[:30], LIVE * 5):
            for at_once in (True, False):
                connection = socket.create_connection(("127.0.0.1", service.port))
                connection.setblocking(False)
                connection.send(sent)
                if at_once:  # by a reset
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await asyncio.sleep(0.02)
                connection.close()
        await until_closed(service)
        while service.server.server_state.tasks:
            await asyncio.sleep(0.02)
        assert (await service.request(LIVE))[1] == {"status": "live"}
        lines = log()[started:]
        assert {line["event"] for line in lines} == {"request"}
        assert all(len(json.dumps(line)) < 500 for line in lines)
        assert {line["status"] for line in lines} <= {200, 499}


async def test_d15_an_internal_error_is_one_log_line_and_closes_the_connection_cleanly(
    listening: Listen, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(a_draft()["title"])

    monkeypatch.setattr(Suggester, "answer", fail)
    body = json.dumps(a_draft(record=False)).encode()
    ask = ASK + f"Content-Length: {len(body)}\r\n\r\n".encode() + body
    async with listening() as service:
        started = len(log())
        for rest in (b"", ask[:-9], ask * 3, ask * 200):
            answer = await service.exchange(ask + rest)
            assert_problem(answer, 500)
            assert b"connection: close" in answer.lower()
        lines = log()[started:]
        assert [(line["event"], line["status"]) for line in lines] == [
            ("request", 500)
        ] * 4  # those that stood in line were not begun
        assert all("RuntimeError" in line["exception"] for line in lines)
        assert a_draft()["title"] not in str(lines)
