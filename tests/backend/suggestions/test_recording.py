"""Answers are recorded in one transaction, and fail one by one."""

import asyncio
import time
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from backend.postgres.database import Database
from backend.suggestions import recording
from backend.suggestions.recording import RECORD_WITHIN, Recorder
from backend.suggestions.schemas import DraftState
from backend.web.problems import Problem
from model.serving.classifier import Suggested
from tests.backend.service import MakeService, Service, a_draft

pytestmark = pytest.mark.anyio

SUGGESTED = [Suggested("python", 0.9, True, 10, ()), Suggested("pandas", 0.5, False, 5, ())]


def a_state(**changes: object) -> DraftState:
    """Return one state of a draft; changes may be what no message can have."""
    return DraftState.model_validate(a_draft()).model_copy(update=changes)


async def record_all(database: Database, states: list[DraftState]) -> Sequence[UUID | str | BaseException]:
    """Record answers to drafts at the same time."""
    recorder = Recorder(database)
    return await asyncio.gather(
        *(recorder.record(state, SUGGESTED, "light-test", 1.0) for state in states), return_exceptions=True
    )


async def test_answers_that_wait_share_a_transaction(service: Service) -> None:
    ids = await record_all(service.database, [a_state() for _ in range(40)])
    rows = await service.rows("SELECT id, xmin::text AS transaction FROM suggestion")
    assert {row["id"] for row in rows} == set(ids)
    assert len({row["transaction"] for row in rows}) < 5


async def test_two_states_of_one_draft_are_recorded_together(service: Service) -> None:
    state = a_state()
    ids = await record_all(service.database, [state, state])
    assert len(set(ids)) == 2
    assert {row["draft_id"] for row in await service.rows("SELECT draft_id FROM suggestion")} == {state.draft_id}


async def test_another_installs_draft_is_refused_and_those_with_it_are_recorded(service: Service) -> None:
    first = a_state()
    await record_all(service.database, [first])
    foreign = a_state(draft_id=first.draft_id)
    *recorded, refused = await record_all(service.database, [*(a_state() for _ in range(5)), foreign])
    assert all(isinstance(each, UUID) for each in recorded)
    assert isinstance(refused, Problem)
    assert refused.status_code == 409
    assert len(await service.rows("SELECT id FROM suggestion")) == 6


@pytest.mark.parametrize("wrong", [{"kind": "unheard of"}, {"site": 7}])
async def test_a_refused_row_leaves_the_others_recorded(service: Service, wrong: dict[str, object]) -> None:
    *recorded, failed = await record_all(service.database, [*(a_state() for _ in range(5)), a_state(**wrong)])
    assert all(isinstance(each, UUID) for each in recorded)
    assert isinstance(failed, Exception)
    assert not service.database.away
    assert len(await service.rows("SELECT id FROM suggestion")) == 5


async def test_a_locked_draft_costs_a_second_at_most(
    make_service: MakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with make_service() as service:
        state = a_state()
        await record_all(service.database, [state])
        async with service.database.session() as session:
            await session.execute(text("SELECT FROM draft WHERE id = :id FOR UPDATE"), {"id": state.draft_id})
            monkeypatch.setattr(recording, "RECORD_WITHIN", RECORD_WITHIN)
            started = time.monotonic()
            assert await record_all(service.database, [state]) == ["unrecorded"]
            assert time.monotonic() - started < RECORD_WITHIN + 10


async def test_an_answer_is_recorded_once_the_connection_was_cut_by_the_server(service: Service) -> None:
    recorder = Recorder(service.database)
    for _ in range(2):
        assert await recorder.record(a_state(draft_id=uuid4()), SUGGESTED, "light-test", 1.0)
        await service.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND datname = current_database() AND state = 'idle'"
        )
        await asyncio.sleep(0.1)
