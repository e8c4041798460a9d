"""Limits on what is recorded of one address and of one draft; beyond them chips are shown all the same."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from backend.drafts import addresses
from backend.retention.service import delete_expired
from tests.backend.service import ADDRESS, Service, a_draft

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def client_at(service: Service, address: str) -> AsyncIterator[Service]:
    """Yield the service with a client at an address."""
    transport = httpx2.ASGITransport(app=service.app, client=(address, 1234))
    async with httpx2.AsyncClient(transport=transport, base_url=ADDRESS) as client:
        yield Service(service.app, client)


async def recorded(service: Service, address: str, **draft: Any) -> bool:
    """Return whether an answer to a draft from an address is recorded; it has chips in any case."""
    async with client_at(service, address) as client:
        answer = await client.suggest(**draft)
    assert answer["items"]
    return answer["suggestion_id"] is not None


async def test_d5_beyond_the_bound_of_installs_answers_come_unrecorded_and_are_counted(
    make_service: Callable[..., Any],
) -> None:
    async with make_service(installs_per_address=3) as service:
        first = a_draft()
        assert await recorded(service, "192.0.2.1", **first)
        assert [await recorded(service, "192.0.2.1") for _ in range(4)] == [True, True, False, False]
        # What was begun goes on, and so do installs that are known; others have bounds of their own.
        assert await recorded(service, "192.0.2.1", **first)
        assert await recorded(service, "192.0.2.1", install_id=first["install_id"])
        assert await recorded(service, "192.0.2.2")
        await service.app.state.totals.flush()
        (row,) = await service.rows("SELECT n FROM total WHERE name = 'suggestions over_bounds'")
        assert row["n"] == 2


async def test_d5_beyond_the_bound_of_drafts_answers_come_unrecorded(make_service: Callable[..., Any]) -> None:
    async with make_service(drafts_per_address=3) as service:
        install_id = str(uuid4())
        found = [await recorded(service, "192.0.2.1", install_id=install_id) for _ in range(5)]
        assert found == [True, True, True, False, False]
        # The same state asked for again begins no other draft.
        assert not await recorded(service, "192.0.2.1", install_id=install_id)


async def test_d5_all_processes_share_the_bound(make_service: Callable[..., Any]) -> None:
    async with make_service(installs_per_address=4) as one, make_service(installs_per_address=4) as other:
        found = [await recorded(service, "192.0.2.1") for service in (one, other) * 3]
        assert found == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    ("clients", "counted"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8::ffff:1"], [True, False, False]),
        (["2001:db8::1", "2001:db8:0:1::1"], [True, True]),
        (["192.0.2.1", "::ffff:192.0.2.1"], [True, False]),
    ],
)
async def test_d5_an_address_is_what_counts_as_one_client(
    make_service: Callable[..., Any], clients: list[str], counted: list[bool]
) -> None:
    async with make_service(installs_per_address=1) as service:
        assert [await recorded(service, address) for address in clients] == counted


async def test_d5_without_bounds_nothing_is_kept_of_addresses(make_service: Callable[..., Any]) -> None:
    async with make_service(installs_per_address=0, drafts_per_address=0) as service:
        assert await recorded(service, "192.0.2.1")
        assert await service.rows("SELECT * FROM newcomer") == []


async def test_d5_addresses_are_salted_hashes_for_a_day(make_service: Callable[..., Any]) -> None:
    async with make_service() as service:
        for address in ("192.0.2.77", "192.0.2.78", "192.0.2.77"):
            assert await recorded(service, address)
        rows = await service.rows("SELECT * FROM newcomer ORDER BY drafts")
        assert [(row["installs"], row["drafts"]) for row in rows] == [(1, 1), (2, 2)]
        assert "192.0.2" not in str(rows)
        assert all(len(row["address"]) == 16 for row in rows)
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        await delete_expired(service.database, lambda: tomorrow)
        assert await service.rows("SELECT * FROM newcomer") == []
        assert all(row["day"] >= tomorrow.date() for row in await service.rows("SELECT day FROM address_salt"))


async def test_d4_a_draft_takes_so_many_answers_and_the_next_comes_unrecorded(
    make_service: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(addresses, "MAX_SUGGESTIONS_OF_DRAFT", 3)
    async with make_service() as service:
        draft = a_draft()
        found = [await recorded(service, "192.0.2.1", **draft) for _ in range(5)]
        assert found == [True, True, True, False, False]
        assert await recorded(service, "192.0.2.1")
        await service.app.state.totals.flush()
        (row,) = await service.rows("SELECT n FROM total WHERE name = 'suggestions draft_full'")
        assert row["n"] == 2
        another = await service.client.post("/api/v1/suggestions", json=draft | {"install_id": str(uuid4())})
        assert another.status_code == 409
