"""Clients: what counts as one, and how many guesses at a secret it has."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from limits import parse
from starlette.requests import Request

from backend.admin.auth import AdminAuth
from backend.web import clients
from backend.web.clients import network_of
from backend.web.problems import Problem
from tests.backend.service import ADDRESS, Service, a_draft

pytestmark = pytest.mark.anyio

DRAFT = "/api/v1/suggestions"


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unknown", "unknown"),
        ("", ""),
    ],
)
def test_d9_an_ipv6_64_is_one_client(address: str, network: str) -> None:
    assert network_of(address) == network


@asynccontextmanager
async def client_at(service: Service, address: str) -> AsyncIterator[httpx2.AsyncClient]:
    transport = httpx2.ASGITransport(app=service.app, client=(address, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        yield client


async def statuses(service: Service, addresses: list[str], **more: Any) -> list[int]:
    found = []
    for address in addresses:
        async with client_at(service, address) as client:
            found.append((await client.post(DRAFT, json=a_draft(record=False), **more)).status_code)
    return found


async def test_d9_a_64_has_one_rate_limit(make_service: Callable[..., Any]) -> None:
    async with make_service(rate_limit=3) as service:
        assert await statuses(service, [f"2001:db8::{n:x}" for n in range(3)]) == [200] * 3
        assert 429 in await statuses(service, [f"2001:db8::{n:x}" for n in range(5, 10)])
        assert await statuses(service, ["2001:db8:0:1::1"]) == [200]


async def test_d9_wrong_keys_are_few_a_minute_and_the_right_one_is_never_held_back(
    make_service: Callable[..., Any],
) -> None:
    async with make_service(api_key="open sesame") as service:
        wrong = {"headers": {"Authorization": "Bearer guess"}}
        right = {"headers": {"Authorization": "Bearer open sesame"}}
        assert await statuses(service, [f"2001:db8::{n:x}" for n in range(12)], **wrong) == [401] * 10 + [429] * 2
        assert await statuses(service, ["2001:db8::1", "192.0.2.1"], **right) == [200, 200]
        # A key that is missing is no guess.
        assert await statuses(service, ["192.0.2.2"] * 12) == [401] * 12


async def test_d9_wrong_keys_from_everywhere_are_few_a_minute(make_service: Callable[..., Any]) -> None:
    async with make_service(api_key="open sesame") as service:
        right = {"headers": {"Authorization": "Bearer open sesame"}}
        assert await statuses(service, ["192.0.2.1"], **right) == [200]
        wrong = {"headers": {"Authorization": "Bearer guess"}}
        found = await statuses(service, [f"2001:db8:{n:x}::1" for n in range(130)], **wrong)
        assert found == [401] * 120 + [429] * 10
        assert await statuses(service, ["192.0.2.1", "198.51.100.1"], **right) == [200, 200]


def attempt(password: str, address: str) -> Request:
    header = b"Basic " + base64.b64encode(f"admin:{password}".encode())
    return Request({"type": "http", "headers": [(b"authorization", header)], "client": (address, 1234)})


async def status(guard: AdminAuth, password: str, address: str) -> int:
    try:
        await guard(attempt(password, address))
    except Problem as problem:
        return problem.status_code
    return 200


async def test_d9_a_64_has_ten_tries_at_the_password() -> None:
    guard = AdminAuth("right")
    assert [await status(guard, "wrong", f"2001:db8::{n:x}") for n in range(12)] == [401] * 10 + [429] * 2
    assert await status(guard, "right", "2001:db8::ff") == 429
    assert await status(guard, "right", "2001:db8:0:1::1") == 200


@pytest.mark.parametrize("known", [True, False])
async def test_d9_guesses_from_everywhere_slow_down_and_lock_nobody_out(
    monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    guard = AdminAuth("right")
    turns = []

    async def sleep(seconds: float) -> None:
        turns.append(seconds)

    monkeypatch.setattr(guard._attempts, "_global_limit", parse("20/minute"))
    monkeypatch.setattr(asyncio, "sleep", sleep)
    if known:
        assert await status(guard, "right", "192.0.2.1") == 200
    assert [await status(guard, "wrong", f"2001:db8:{n:x}::1") for n in range(20)] == [401] * 20
    assert turns == []
    assert [await status(guard, "wrong", f"2001:db8:a:{n:x}::1") for n in range(5)] == [401] * 5
    assert turns == [clients.TURN_EVERY] * 5
    assert await status(guard, "right", "192.0.2.1") == 200
    assert len(turns) == (5 if known else 6)


async def test_d9_of_very_many_guesses_at_once_most_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    guard = AdminAuth("right")
    monkeypatch.setattr(guard._attempts, "_global_limit", parse("1/minute"))
    monkeypatch.setattr(clients, "TURN_EVERY", 0.001)
    assert await status(guard, "wrong", "2001:db8::1") == 401
    found = await asyncio.gather(*(status(guard, "wrong", f"2001:db8:b:{n:x}::1") for n in range(100)))
    assert found.count(429) == 100 - clients.MAX_WAITING
