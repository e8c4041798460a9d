"""Overload: drafts that can't be answered in time are refused at once; the others are answered in time."""

import asyncio
import os
import time
from typing import Any

import pytest

from backend.suggestions.queue import MAX_WAIT
from backend.web import middleware
from model.serving.classifier import Suggested
from tests.backend.service import Service, a_draft

pytestmark = pytest.mark.anyio

CORES = os.cpu_count() or 1
INFERENCE = 0.04  # seconds that a draft takes here, to know what the service can do
CAPACITY = CORES / INFERENCE


@pytest.fixture
def busy(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """The service with a model that always takes the same time."""
    classifier = service.app.state.router.models.champion
    suggested: list[Suggested] = classifier.suggest("How do I merge two pandas DataFrames?", "")

    def slowly(*given: Any, **named: Any) -> list[Suggested]:
        time.sleep(INFERENCE)
        return suggested

    monkeypatch.setattr(classifier, "suggest", slowly)
    return service


async def timed(service: Service) -> tuple[int, float, str | None]:
    """Status, seconds and Retry-After of one draft."""
    started = time.perf_counter()
    response = await service.client.post("/api/v1/suggestions", json=a_draft(record=False))
    return response.status_code, time.perf_counter() - started, response.headers.get("retry-after")


async def test_under_four_times_its_capacity_answers_stay_quick_and_the_rest_is_told_early(busy: Service) -> None:
    for _ in range(5):
        await timed(busy)  # it learns how long an answer takes
    asked, seconds = [], 3.0
    began = time.perf_counter()
    for n in range(int(4 * CAPACITY * seconds)):
        asked.append(asyncio.create_task(timed(busy)))
        if n % 50 == 25:
            started = time.perf_counter()
            assert (await busy.client.get("/health/ready")).status_code == 200
            assert time.perf_counter() - started < 10
        # By the clock: on a busy machine each sleep is longer than asked for.
        await asyncio.sleep(max(began + (n + 1) / (4 * CAPACITY) - time.perf_counter(), 0))
    answers = await asyncio.gather(*asked)
    accepted = sorted(took for status, took, _ in answers if status == 200)
    refused = [(took, wait) for status, took, wait in answers if status == 503]
    assert len(accepted) + len(refused) == len(answers)
    assert len(refused) > len(answers) / 3
    assert len(accepted) > CAPACITY * seconds / 2
    assert accepted[int(len(accepted) * 0.99)] < 4 * MAX_WAIT
    assert sorted(took for took, _ in refused)[len(refused) // 2] < MAX_WAIT
    assert all(wait and int(wait) >= 1 for _, wait in refused)


async def test_a_single_draft_is_never_refused_however_slow_the_model(
    busy: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("backend.suggestions.queue.MAX_WAIT", INFERENCE / 100)
    for _ in range(3):
        status, _, _ = await timed(busy)
        assert status == 200


async def test_more_requests_at_once_than_the_gate_lets_through_are_refused_unread(
    busy: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(middleware, "MAX_CONCURRENT_REQUESTS", 3)
    answers = await asyncio.gather(*(timed(busy) for _ in range(10)))
    assert sorted(status for status, _, _ in answers) == [200] * 3 + [503] * 7
    response = (await asyncio.gather(*(busy.client.get("/api/v1/nothing") for _ in range(4))))[-1]
    assert response.headers["content-type"] == "application/problem+json"
    assert (await timed(busy))[0] == 200
