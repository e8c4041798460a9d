"""Requests that the middleware refuses before any route sees them."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from tests.backend.service import MakeService, Service, a_draft

pytestmark = pytest.mark.anyio

DRAFT = "/api/v1/suggestions"


def assert_problem(response: httpx2.Response, status: int) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = response.json()
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "localhost.evil.example:8600"])
async def test_a_foreign_host_is_refused(service: Service, host: str) -> None:
    assert_problem(await service.client.get("/health/live", headers={"Host": host}), 400)


@pytest.mark.parametrize(
    "host",
    [
        *("a@127.0.0.1", "127.0.0.1/x", "127.0.0.1?x", "127.0.0.1#x", "127.0.0.1:8600:1", "127.0.0.1:port"),
        *("localhost,localhost", "[::1", "::1", "localhost\u00e9"),
    ],
)
async def test_d14_a_host_header_that_is_not_one_host_is_refused(service: Service, host: str) -> None:
    raw = [(b"host", host.encode())]
    assert_problem(await service.client.get("/health/live", headers=raw), 400)


async def test_d14_the_host_header_must_be_one_host_even_if_every_host_is_allowed(make_service: MakeService) -> None:
    async with make_service(allowed_hosts="*", model_tier="light") as service:
        assert (await service.client.get("/health/live", headers={"Host": "any.example"})).status_code == 200
        for host in (b"", b"a b", b"a@b", b"a/b", "\u00e9.example".encode()):
            assert_problem(await service.client.get("/health/live", headers=[(b"host", host)]), 400)


@pytest.mark.parametrize(
    "name", ["Host", "Content-Type", "Authorization", "Origin", "Content-Length", "Sec-Fetch-Site"]
)
async def test_d14_a_header_of_which_there_is_one_may_not_be_repeated(service: Service, name: str) -> None:
    same = {"Host": "127.0.0.1", "Content-Type": "application/json", "Content-Length": "2"}.get(name, "none")
    headers = [("Host", "127.0.0.1"), ("Content-Type", "application/json"), ("Content-Length", "2")]
    headers = [pair for pair in headers if pair[0] != name] + [(name, same), (name.lower(), same)]
    problem = assert_problem(await service.client.post(DRAFT, content=b"{}", headers=headers), 400)
    assert name.lower() in problem["detail"]


@pytest.mark.parametrize("host", ["127.0.0.1:8600", "localhost", "LOCALHOST:9999", "[::1]:8600"])
async def test_our_own_hosts_are_served(service: Service, host: str) -> None:
    assert (await service.client.get("/health/live", headers={"Host": host})).status_code == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://stackoverflow.com",
        "http://evil.example",
        "null",
        "http://127.0.0.1:9999",
        "file://",
        "http://[",
        "chrome-extension",
    ],
)
async def test_a_web_page_may_not_write(service: Service, origin: str) -> None:
    for path in (DRAFT, "/api/v1/events", "/api/v1/suggestions/batch"):
        assert_problem(await service.client.post(path, json=a_draft(), headers={"Origin": origin}), 403)
    gone = await service.client.delete(f"/api/v1/installs/{a_draft()['install_id']}", headers={"Origin": origin})
    assert_problem(gone, 403)


async def test_a_cross_site_write_without_an_origin_is_refused(service: Service) -> None:
    response = await service.client.post(DRAFT, json=a_draft(), headers={"Sec-Fetch-Site": "cross-site"})
    assert_problem(response, 403)


@pytest.mark.parametrize(
    "origin", ["chrome-extension://abcdefghijklmnopabcdefghijklmnop", "moz-extension://0f-1", "http://127.0.0.1:8600"]
)
async def test_extensions_and_our_own_pages_may_write(service: Service, origin: str) -> None:
    response = await service.client.post(DRAFT, json=a_draft(), headers={"Origin": origin})
    assert response.status_code == 200


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_that_is_not_json_is_refused(service: Service, media_type: str) -> None:
    response = await service.client.post(DRAFT, content=b'{"title": "x"}', headers={"Content-Type": media_type})
    assert_problem(response, 415)


async def test_a_body_of_10_mb_is_refused_with_and_without_a_content_length(service: Service) -> None:
    json_type = {"Content-Type": "application/json"}
    declared = await service.client.post(DRAFT, content=b" " * 10_000_000, headers=json_type)
    assert_problem(declared, 413)

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(1000):
            yield b" " * 10_000

    assert_problem(await service.client.post(DRAFT, content=chunks(), headers=json_type), 413)


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"", 422),
        (b"{", 400),
        (b"[1, 2", 400),
        (b"\xff\xfe\x00", 400),
        (b"null", 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"[" * 100_000, 400),
        (b"bad \xff", 400),
        (b'{"title": ' + b"9" * 5_000 + b"}", 400),
    ],
)
async def test_an_invalid_body_gets_a_clear_error(service: Service, content: bytes, status: int) -> None:
    for path in (DRAFT, "/api/v1/events"):
        response = await service.client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert_problem(response, status)


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(service: Service) -> None:
    assert_problem(await service.client.get("/api/v1/nothing"), 404)
    assert_problem(await service.client.post(f"{DRAFT}/", json=a_draft()), 404)
    wrong = await service.client.get(DRAFT)
    assert_problem(wrong, 405)
    assert wrong.headers["allow"] == "POST"
    wrong = await service.client.put(f"/api/v1/installs/{a_draft()['install_id']}")
    assert_problem(wrong, 405)
    assert wrong.headers["allow"] == "DELETE, GET"


async def test_the_openapi_document_names_the_problems(service: Service) -> None:
    paths = (await service.client.get("/openapi.json")).json()["paths"]
    answers = paths[DRAFT]["post"]["responses"]
    for status in ("400", "403", "409", "413", "415", "422", "429"):
        assert list(answers[status]["content"]) == ["application/problem+json"]


async def test_too_many_requests_get_retry_after(make_service: MakeService) -> None:
    async with make_service(rate_limit=3) as service:
        # Some more are let through where a minute begins in between.
        answers = [await service.client.post(DRAFT, json=a_draft(record=False)) for _ in range(8)]
        assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
        assert_problem(answers[-1], 429)
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        assert (await service.client.get("/health/live")).status_code == 200


async def test_a_closed_service_needs_its_key(make_service: MakeService) -> None:
    async with make_service(api_key="open sesame") as service:
        assert_problem(await service.client.post(DRAFT, json=a_draft()), 401)
        wrong = {"Authorization": "Bearer open"}
        assert_problem(await service.client.post(DRAFT, json=a_draft(), headers=wrong), 401)
        right = {"Authorization": "Bearer open sesame"}
        assert (await service.client.post(DRAFT, json=a_draft(), headers=right)).status_code == 200
        assert (await service.client.get("/health/ready")).status_code == 200
