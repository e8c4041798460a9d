"""Caddy with the file that ships, in front of two real replicas: TLS, compression, limits, addresses, failover."""

import asyncio
import gzip
import json
import resource
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.backend.service import a_draft
from tests.deploy.load import Ledger, write
from tests.deploy.stack import Proxy, Replica, caddy, settings, start_replica, until, wait_ready
from tests.end_to_end.process import free_port


@dataclass
class Stack:
    """A proxy and its replicas."""

    proxy: Proxy
    replicas: list[Replica]
    environment: dict[str, str]


@pytest.fixture(scope="module")
def stack(module_database_url: str, short_module_folder: Path) -> Iterator[Stack]:
    environment = settings(short_module_folder, "")
    for name in ("TAGALONG_DATABASE_PASSWORD_FILE", "TAGALONG_DATABASE_URL"):
        del environment[name]
    environment |= {"TAGALONG_DATABASE_URL": module_database_url}
    replicas = [start_replica(environment, free_port()) for _ in range(2)]
    try:
        for replica in replicas:
            wait_ready(replica)
        with caddy(short_module_folder, [replica.port for replica in replicas]) as proxy:
            yield Stack(proxy, replicas, environment)
    finally:
        for replica in replicas:
            replica.process.kill()
            replica.process.wait()


def ask(stack: Stack, path: str, body: bytes | None = None, /, **headers: str) -> tuple[int, Message, bytes]:
    """An answer through the proxy: status, headers, body."""
    request = urllib.request.Request(
        stack.proxy.address + path, data=body, headers={"Content-Type": "application/json"} | headers
    )
    try:
        with urllib.request.urlopen(request, context=stack.proxy.trust, timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def connect(stack: Stack) -> ssl.SSLSocket:
    parts = urlsplit(stack.proxy.address)
    plain = socket.create_connection(("127.0.0.1", parts.port), timeout=60)
    return stack.proxy.trust.wrap_socket(plain, server_hostname="localhost")


def test_a_draft_is_answered_over_tls(stack: Stack) -> None:
    status, _, body = ask(stack, "/api/v1/suggestions", json.dumps(a_draft()).encode())
    assert status == 200
    assert json.loads(body)["suggestion_id"]


def test_answers_are_compressed(stack: Stack) -> None:
    status, headers, body = ask(stack, "/openapi.json", **{"Accept-Encoding": "gzip"})
    assert status == 200
    assert headers["Content-Encoding"] == "gzip"
    assert "paths" in json.loads(gzip.decompress(body))


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/v1/events", "/api/v1/suggestions/batch"])
async def test_an_endless_body_is_cut_off_with_a_problem(stack: Stack, path: str) -> None:
    port = urlsplit(stack.proxy.address).port
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=stack.proxy.trust, server_hostname="localhost"
    )
    request = (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
    )
    writer.write(f"{request}\r\n".encode())

    async def send() -> None:
        with suppress(ConnectionError):
            while True:
                writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                await writer.drain()

    sending = asyncio.create_task(send())
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
    body = await reader.readuntil(b"}")
    sending.cancel()
    writer.close()
    assert head.startswith(b"HTTP/1.1 413")
    assert "send less" in json.loads(body)["detail"]
    assert b"content-type: application/problem+json" in head.lower()


async def fall_silent(stack: Stack) -> socket.socket:
    """A connection that asks for more than its buffers take, and reads nothing of it."""
    plain = socket.create_connection(("127.0.0.1", urlsplit(stack.proxy.address).port), timeout=60)
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    silent = await asyncio.to_thread(stack.proxy.trust.wrap_socket, plain, server_hostname="localhost")
    silent.setblocking(False)
    silent.send(b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
    return silent


@pytest.mark.slow
@pytest.mark.anyio
async def test_d2_others_are_served_beside_800_connections_that_never_read(stack: Stack) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    silent: list[socket.socket] = []
    try:
        for _ in range(40):
            silent += await asyncio.gather(*(fall_silent(stack) for _ in range(20)))
        draft = json.dumps(a_draft()).encode()

        def others_are_served() -> bool:
            return all(ask(stack, "/api/v1/suggestions", draft)[0] == 200 for _ in range(20))

        # What the kernel's buffers take of 80,000 answers is work like any other, and may be in the way for a moment.
        await asyncio.to_thread(until, others_are_served, within=120)
    finally:
        for connection in silent:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.slow
def test_slow_headers_are_cut_off(stack: Stack) -> None:
    started = time.monotonic()
    with connect(stack) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
        assert slow.recv(1000) == b""
    assert time.monotonic() - started < 20


def test_plain_http_is_redirected_to_tls(stack: Stack) -> None:
    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    with pytest.raises(urllib.error.HTTPError) as redirected:
        urllib.request.build_opener(Stay).open(f"http://localhost:{stack.proxy.http_port}/", timeout=60)
    assert redirected.value.code == 308
    assert redirected.value.headers["Location"].startswith("https://localhost")


@pytest.mark.slow
@pytest.mark.anyio
async def test_a_killed_replica_is_taken_out_and_put_back(stack: Stack) -> None:
    ledger, stop = Ledger(), asyncio.Event()
    address, trust = stack.proxy.address, stack.proxy.trust
    writers = [asyncio.create_task(write(address, ledger, stop, verify=trust, keep=True)) for _ in range(3)]
    await asyncio.sleep(1)
    stack.replicas[0].process.kill()
    stack.replicas[0].process.wait()
    # Until Caddy has seen it, a second at most, requests may fail. Since 2.11.2 it sends those to the other replica.
    await asyncio.sleep(2)
    at_once, answered = len(ledger.failed), ledger.answered
    await asyncio.sleep(2)
    assert ledger.answered > answered
    assert len(ledger.failed) == at_once, ledger.failed[at_once:]
    stack.replicas[0] = start_replica(stack.environment, stack.replicas[0].port)
    await asyncio.to_thread(wait_ready, stack.replicas[0])
    stop.set()
    await asyncio.gather(*writers)
    assert len(ledger.failed) == at_once


@pytest.mark.slow
def test_the_rate_limit_counts_clients_and_not_the_proxy(stack: Stack) -> None:
    for n, replica in enumerate(stack.replicas):
        replica.process.kill()
        replica.process.wait()
        stack.replicas[n] = start_replica(stack.environment | {"TAGALONG_RATE_LIMIT": "40"}, replica.port)
    for replica in stack.replicas:
        wait_ready(replica)
    until(lambda: ask(stack, "/health/ready")[0] == 200)
    # Two replicas, each with the limit for itself; what a client says of its own address is thrown away.
    statuses = []
    with connect(stack) as client:
        answers = client.makefile("rb")
        for n in range(120):
            client.sendall(
                b"GET /api/v1/installs/x HTTP/1.1\r\nHost: localhost\r\n"
                + f"X-Forwarded-For: 10.0.{n % 250}.1\r\n\r\n".encode()
            )
            head = b"".join(iter(answers.readline, b"\r\n"))
            length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            answers.read(int(length[15:]))
            statuses.append(int(head[9:12]))
    assert statuses[0] == 422
    assert statuses[-1] == 429


def test_without_any_replica_the_answer_is_a_problem(stack: Stack) -> None:
    for replica in stack.replicas:
        replica.process.kill()
        replica.process.wait()
    status, headers, body = ask(stack, "/health/ready")
    assert status in (502, 503)
    assert headers["Content-Type"] == "application/problem+json"
    assert int(headers["Retry-After"]) > 0
    problem = json.loads(body)
    assert problem["status"] == status
    assert "send the same request again" in problem["detail"]
