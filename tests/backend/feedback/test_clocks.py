"""Clocks that jump, the service's own included: nothing is lost, and nobody is locked out."""

import time
from datetime import UTC, datetime, timedelta, tzinfo

import pytest

from backend.feedback import routes
from backend.suggestions import recording
from tests.backend.service import MakeService, Service, a_batch, a_draft, an_event

pytestmark = pytest.mark.anyio


def clock(off: timedelta) -> type[datetime]:
    """A clock that goes wrong by so much."""

    class Wrong(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) + off

    return Wrong


@pytest.mark.parametrize("jump", [timedelta(hours=-1), timedelta(hours=1)])
async def test_a_jump_of_the_services_clock_loses_no_event(
    service: Service, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    draft = a_draft()
    answer = await service.suggest(**draft)
    tag = answer["items"][0]["tag"]
    of = {"suggestion_id": answer["suggestion_id"], "tag": tag}
    await service.send(draft["install_id"], [an_event("viewed", 1, draft, position=1, **of)])
    monkeypatch.setattr(routes, "datetime", clock(jump))
    monkeypatch.setattr(recording, "datetime", clock(jump))
    assert (await service.suggest(**draft))["suggestion_id"]
    receipt = await service.send(draft["install_id"], [an_event("accepted", 2, draft, **of)])
    assert receipt == {"new": 1, "known": 0, "refused": []}
    (item,) = await service.rows(
        "SELECT accepted_at >= created_at AS in_order, impossible FROM item JOIN suggestion ON id = suggestion_id"
    )
    assert item == {"in_order": True, "impossible": False}


async def test_a_client_whose_clock_jumps_between_two_batches_keeps_its_order(service: Service) -> None:
    draft = a_draft()
    answer = await service.suggest(**draft)
    of = {"suggestion_id": answer["suggestion_id"], "tag": answer["items"][0]["tag"]}
    later = (datetime.now(UTC) + timedelta(days=9)).isoformat()
    first = an_event("viewed", 1, draft, position=1, **of) | {"occurred_at": later}
    await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [first], sent_at=later))
    await service.send(draft["install_id"], [an_event("accepted", 2, draft, **of)])
    (item,) = await service.rows("SELECT viewed_at, accepted_at, impossible FROM item")
    assert item["viewed_at"] <= item["accepted_at"]
    assert not item["impossible"]


@pytest.mark.parametrize(
    ("occurred_at", "sent_at", "as_old_as"),
    [
        ("1970-01-01T00:00:00Z", "1970-01-01T00:00:00.001Z", "receipt"),
        ("1970-01-01T00:00:00Z", "2026-01-31T12:00:00Z", "suggestion"),
        ("2106-02-07T06:28:15+14:00", "1980-01-01T00:00:00-12:00", "receipt"),
        ("1900-01-01T00:00:00+14:00", "8999-12-31T23:59:59-14:00", "suggestion"),
        ("8999-12-31T23:59:59-14:00", "1900-01-01T00:00:00+14:00", "receipt"),
    ],
    ids=["no battery", "set in between", "two wrong clocks", "the first moment", "the last moment"],
)
async def test_no_clock_is_too_wrong(service: Service, occurred_at: str, sent_at: str, as_old_as: str) -> None:
    draft = a_draft()
    answer = await service.suggest(**draft)
    of = {"suggestion_id": answer["suggestion_id"], "tag": answer["items"][0]["tag"]}
    view = an_event("viewed", 1, draft, position=1, **of) | {"occurred_at": occurred_at}
    response = await service.client.post("/api/v1/events", json=a_batch(draft["install_id"], [view], sent_at=sent_at))
    assert response.json() == {"new": 1, "known": 0, "refused": []}
    (times,) = await service.rows(
        "SELECT at = created_at AS suggestion, received_at - at < interval '1 s' AND at <> created_at AS receipt "
        "FROM event JOIN suggestion ON suggestion.id = suggestion_id"
    )
    assert times == {"suggestion": False, "receipt": False} | {as_old_as: True}


@pytest.mark.parametrize("jump", [-3600, 3600])
async def test_nobody_is_locked_out_by_a_jump(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    async with make_service(rate_limit=3, model_tier="light") as service:
        for _ in range(5):
            last = await service.client.post("/api/v1/suggestions", json=a_draft(record=False))
        assert last.status_code == 429
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        response = await service.client.post("/api/v1/suggestions", json=a_draft(record=False))
        if response.status_code == 429:
            assert int(response.headers["retry-after"]) <= 60
            monkeypatch.setattr(time, "time", lambda: real() + jump + 61)
            response = await service.client.post("/api/v1/suggestions", json=a_draft(record=False))
        assert response.status_code == 200
