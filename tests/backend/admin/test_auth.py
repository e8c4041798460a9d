"""Who may see the admin's pages."""

import asyncio
import base64
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher
from click.testing import CliRunner
from fastapi.routing import APIRoute
from limits import parse
from pydantic import ValidationError
from starlette.requests import Request

from backend.admin import auth
from backend.admin.auth import AdminAuth, parse_basic
from backend.admin.panels import TWINS
from backend.admin.routes import HEADERS, admin_router
from backend.cli import main
from backend.settings import Settings
from backend.web.problems import Problem
from tests.backend.admin.conftest import AUTH, HTML, PASSWORD, Admin

pytestmark = pytest.mark.anyio

PATHS = [
    "/metrics",
    "/metrics/report",
    "/metrics/style.css",
    *(f"/metrics/{panel}.{form}" for panel in TWINS for form in ("json", "csv")),
    "/metrics/nothing.json",
]


async def test_without_a_password_there_is_nothing_to_see(admin: Admin) -> None:
    for path in [*PATHS, "/metrics/silence"]:
        for headers in ({}, HTML):
            response = await admin.get(path, auth=None, headers=headers)
            assert response.status_code == 401, path
            assert response.headers["www-authenticate"] == 'Basic realm="Tagalong", charset="UTF-8"'
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["status"] == 401
            assert {name: response.headers[name] for name in HEADERS} == HEADERS


def test_every_route_is_one_of_those_paths() -> None:
    router = admin_router(password="x", sessions=lambda: None, vocabulary=tuple, rules={})  # type: ignore[arg-type,return-value]
    paths = {route.path for route in router.routes if isinstance(route, APIRoute)}
    assert len(paths) == len(router.routes)
    pages = {"/metrics", "/metrics/report", "/metrics/style.css", "/metrics/{panel}.{form}", "/metrics/silence"}
    assert paths == pages | {"/metrics/alerts/silence"}


WRONG = [
    b"",
    b"Basic",
    b"Basic ",
    b"Basic %%%",
    "Basic é".encode(),
    b"Basic " + base64.b64encode(b"admin"),
    b"Basic " + base64.b64encode(b"\xff\xfe:x"),
    b"Basic " + base64.b64encode(b"admin:"),
    b"Basic " + base64.b64encode(f"admin:{PASSWORD} ".encode()),
    b"Basic " + base64.b64encode(f"admin:{PASSWORD[:-1]}".encode()),
    b"Basic " + base64.b64encode(f"Admin:{PASSWORD}".encode()),
    b"Basic " + base64.b64encode(f":{PASSWORD}".encode()),
    b"Basic " + base64.b64encode(f"admin::{PASSWORD}".encode()),
    b"Bearer " + base64.b64encode(f"admin:{PASSWORD}".encode()),
]


async def test_wrong_credentials_are_refused(admin: Admin) -> None:
    for number, header in enumerate(WRONG):
        # Each from an address of its own, or the attempts would be used up.
        async with client_at(admin, f"192.0.2.{number}") as client:
            response = await client.get("/metrics", headers={b"Authorization": header})
            assert response.status_code == 401, header


def client_at(admin: Admin, address: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=admin.app, client=(address, 1234))
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:8600")


async def test_the_right_password_is_let_in(admin: Admin) -> None:
    for path in PATHS[:-1]:
        assert (await admin.get(path)).status_code == 200, path
    credentials = base64.b64encode(f"admin:{PASSWORD}".encode()).decode()
    response = await admin.get("/metrics", auth=None, headers={"Authorization": f"basic  {credentials} "})
    assert response.status_code == 200


def test_a_password_beyond_ascii_is_read_as_utf8() -> None:
    header = "Basic " + base64.b64encode("admin:pässwörd:1".encode()).decode()
    assert parse_basic(header) == ("admin", "pässwörd:1")


def test_an_empty_password_is_an_error_at_start() -> None:
    with pytest.raises(ValueError, match="needs a password"):
        AdminAuth("")


async def test_ten_wrong_attempts_a_minute_are_enough(admin: Admin) -> None:
    for _ in range(10):
        assert (await admin.get("/metrics", auth=("admin", "guess"))).status_code == 401
    blocked = await admin.get("/metrics", auth=("admin", "guess"))
    assert blocked.status_code == 429
    assert blocked.headers["content-type"] == "application/problem+json"
    assert 1 <= int(blocked.headers["retry-after"]) <= 60
    # Else the guesser would learn that the eleventh guess was right.
    assert (await admin.get("/metrics", auth=AUTH)).status_code == 429
    # A browser gets a page; a first request without a password is no attempt, and is asked for one.
    page = await admin.get("/metrics", headers=HTML)
    assert page.status_code == 429
    assert "Too many attempts" in page.text
    assert int(page.headers["retry-after"]) >= 1
    assert (await admin.get("/metrics", auth=None)).status_code == 401
    # Another client is not held back.
    async with client_at(admin, "192.0.2.7") as other:
        assert (await other.get("/metrics", auth=AUTH)).status_code == 200


async def test_right_passwords_and_missing_ones_use_up_no_attempt(admin: Admin) -> None:
    for _ in range(12):
        assert (await admin.get("/metrics/style.css")).status_code == 200
        assert (await admin.get("/metrics/style.css", auth=None)).status_code == 401
    assert (await admin.get("/metrics/style.css")).status_code == 200


async def test_many_guesses_at_once_are_no_way_round(admin: Admin) -> None:
    guesses = [admin.get("/metrics/style.css", auth=("admin", str(n))) for n in range(30)]
    statuses = [response.status_code for response in await asyncio.gather(*guesses)]
    assert (statuses.count(401), statuses.count(429)) == (10, 20)


async def test_attempts_come_back_with_time() -> None:
    guard = AdminAuth("right", parse("2/second"))

    header = b"Basic " + base64.b64encode(b"admin:wrong")
    request = Request({"type": "http", "headers": [(b"authorization", header)], "client": ("192.0.2.7", 1234)})

    async def status() -> int:
        with pytest.raises(Problem) as caught:
            await guard(request)
        return caught.value.status_code

    assert [await status() for _ in range(3)] == [401, 401, 429]
    await asyncio.sleep(1.1)
    assert await status() == 401


@pytest.fixture
def hashed() -> str:
    """Return a hash that is quick to verify, in the same format."""
    return PasswordHasher(time_cost=1, memory_cost=64).hash(PASSWORD)


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the passwords that are run through argon2."""
    runs: list[str] = []
    matches = auth._matches_hash

    def noting(hashed: str, password: str) -> bool:
        runs.append(password)
        return matches(hashed, password)

    monkeypatch.setattr(auth, "_matches_hash", noting)
    return runs


async def test_a_hash_lets_in_its_password_and_costs_one_run_of_argon2(
    make_admin: Any, hashed: str, verified: list[str]
) -> None:
    async with make_admin(password=hashed) as admin:
        for _ in range(20):
            assert (await admin.get("/metrics/style.css")).status_code == 200
        assert verified == [PASSWORD]
        for wrong in ("guess", "", hashed):
            assert (await admin.get("/metrics/style.css", auth=("admin", wrong))).status_code == 401
        assert (await admin.get("/metrics/style.css", auth=("Admin", PASSWORD))).status_code == 401
        assert verified == [PASSWORD, "guess", "", hashed]
        assert (await admin.get("/metrics/style.css")).status_code == 200


async def test_guesses_beyond_the_limit_cost_no_run_of_argon2(
    make_admin: Any, hashed: str, verified: list[str]
) -> None:
    async with make_admin(password=hashed) as admin:
        guesses = [admin.get("/metrics/style.css", auth=("admin", str(n))) for n in range(30)]
        statuses = [response.status_code for response in await asyncio.gather(*guesses)]
        assert (statuses.count(401), statuses.count(429)) == (10, 20)
        assert len(verified) == 10
        # Not even the right one, from there; from elsewhere it is let in.
        assert (await admin.get("/metrics/style.css")).status_code == 429
        async with client_at(admin, "192.0.2.7") as other:
            assert (await other.get("/metrics/style.css", auth=AUTH)).status_code == 200


def test_hash_password_prints_a_hash_that_the_settings_take() -> None:
    printed = CliRunner().invoke(main, ["hash-password"], input=f"{PASSWORD}\n", catch_exceptions=False)
    hashed = printed.output.strip()
    assert hashed.startswith("$argon2id$")
    assert PASSWORD not in printed.output
    assert Settings(admin_password=hashed).resolve_admin_password() == hashed
    assert auth._matches_hash(hashed, PASSWORD)
    assert not auth._matches_hash(hashed, PASSWORD + " ")
    nothing = CliRunner().invoke(main, ["hash-password"], input="")
    assert nothing.exit_code == 1
    assert "no password" in nothing.output


@pytest.mark.parametrize("broken", ["$argon2id$", "$argon2id$v=19$m=65536", "$argon2i$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA"])
def test_a_hash_that_no_password_can_match_is_an_error_at_start(broken: str) -> None:
    with pytest.raises(ValidationError, match="hash-password"):
        Settings(admin_password=broken)
