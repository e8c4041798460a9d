"""On the wire: slow clients, endless bodies, what is no HTTP at all, and an end that loses no request."""

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
import uvicorn

from backend import wire
from backend.app import create_app
from backend.settings import Settings
from tests.backend.service import a_draft

pytestmark = pytest.mark.anyio

ASK = b"POST /api/v1/suggestions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
LIVE = b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass
class Listening:
    """A server on a port of 127.0.0.1."""

    server: wire.Server
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

    async def request(self, request: bytes) -> tuple[bytes, dict]:
        """Send a request on a connection of its own; its head and the body's JSON."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await read_answer(reader)
        writer.close()
        return answer


async def read_answer(reader: asyncio.StreamReader) -> tuple[bytes, dict]:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return head, json.loads(await reader.readexactly(length))


def assert_problem(answer: bytes, status: int) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(f"HTTP/1.1 {status} ".encode()), head
    assert b"content-type: application/problem+json" in head
    problem = json.loads(body)
    assert problem["status"] == status
    return problem


@pytest.fixture
def listening(database_url: str) -> Callable[..., object]:
    @asynccontextmanager
    async def listen(*, drain_seconds: float = 0) -> AsyncIterator[Listening]:
        settings = Settings(database_url=database_url, admin_password="correct horse", rate_limit=0, model_tier="light")
        app = create_app(settings)
        with socket.create_server(("127.0.0.1", 0)) as free:
            config = uvicorn.Config(app, http=wire.Connection, ws="none", log_config=None)
            server = wire.Server(
                config, drain_seconds=drain_seconds, on_drain=lambda: setattr(app.state, "draining", True)
            )
            serving = asyncio.create_task(server.serve(sockets=[free]))
            while not server.started:
                assert not serving.done()
                await asyncio.sleep(0.02)
            try:
                yield Listening(server, free.getsockname()[1])
            finally:
                server.should_exit = True
                await serving

    return listen


async def test_slow_clients_are_told_and_hold_up_nobody(listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_WITHIN", 2.0)
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


async def test_a_connection_that_is_kept_may_wait_between_requests(listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REQUEST_WITHIN", 0.3)
    async with listening() as service:
        reader, writer = await service.connect()
        for _ in range(3):
            writer.write(LIVE)
            assert (await read_answer(reader))[1] == {"status": "live"}
            await asyncio.sleep(0.5)
        writer.write(LIVE[:20])
        assert_problem(await asyncio.wait_for(reader.read(), 5), 408)
        writer.close()


async def test_an_endless_head_is_cut_off(listening) -> None:
    async with listening() as service:
        endless = service.exchange(LIVE[:-2] + b"X: ", *[b"x" * 10_000] * 100)
        assert_problem(await endless, 431)
        large = LIVE[:-2] + b"X: " + b"x" * 10_000 + b"\r\n\r\n"
        assert (await service.request(large))[1] == {"status": "live"}


async def test_an_endless_body_is_cut_off(listening) -> None:
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


async def test_who_sends_all_before_reading_gets_the_refusal(listening) -> None:
    def send_then_read(port: int, head: bytes, size: int) -> bytes:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(head + f"Content-Length: {size}\r\n\r\n".encode())
            for _ in range(0, size, 10_000):
                connection.sendall(b" " * 10_000)
            return b"".join(iter(lambda: connection.recv(1 << 16), b""))

    async with listening() as service:
        for head, size, status in REFUSED.values():
            assert_problem(await asyncio.to_thread(send_then_read, service.port, head, size), status)


async def test_whoever_does_not_stop_sending_is_cut_off(listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "LINGER_FOR", 0.5)
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


async def test_what_is_no_http_gets_a_problem(listening) -> None:
    async with listening() as service:
        for junk in JUNK.values():
            assert_problem(await service.exchange(junk), 400)


async def test_too_many_connections_are_told_when_to_come_back(listening, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "MOST_CONNECTIONS", 5)
    async with listening() as service:
        open_ones = [await service.connect() for _ in range(5)]
        await asyncio.sleep(0.1)
        assert_problem(await service.exchange(), 503)
        for _, writer in open_ones:
            writer.close()
        await asyncio.sleep(0.1)
        _, live = await service.request(LIVE)
        assert live == {"status": "live"}


async def test_a_server_that_is_told_to_end_serves_until_everybody_knows(listening) -> None:
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
