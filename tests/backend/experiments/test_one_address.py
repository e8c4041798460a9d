"""The installs of one address decide nothing alone: nobody can roll back or promote a version single-handedly."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.experiments.service import Experiments
from backend.experiments.verdict import MAX_OF_CROWD
from tests.backend.deployments.deployable_service import fail_on_titles_that_say_so, running_with_registry
from tests.backend.deployments.registry import register
from tests.backend.experiments.experiment import NOW, Experiment
from tests.backend.service import a_draft, an_event

pytestmark = pytest.mark.anyio


@pytest.fixture
async def begun(engine: AsyncEngine, database_url: str) -> Any:
    made: list[Experiment] = []

    async def begin(**more: Any) -> Experiment:
        made.append(Experiment(engine, database_url, **more))
        await made[-1].begin()
        return made[-1]

    yield begin
    for each in made:
        await each.database.close()


def add_crowd(size: int, experiment: Experiment, **does: Any) -> UUID:
    """Add some installs of one address to the challenger's arm; return their crowd."""
    crowd = uuid4()
    for _ in range(size):
        experiment.install("challenger", crowd=crowd, **{"accepts": 0.4} | does)
    return crowd


HARM = [
    {"dismisses": 1.0, "accepts": 0.0},
    {"offers": 0.0},
    {"fails": True},
    {"latency_ms": 900.0},
    {},
]


@pytest.mark.parametrize("does", HARM, ids=["dismisses", "is offered nothing", "fails", "is slow", "is many"])
async def test_d5_hundreds_of_installs_of_one_address_roll_nothing_back(begun: Any, does: dict[str, Any]) -> None:
    experiment = await begun()
    experiment.pairs(20, 0.4, 0.4)
    add_crowd(200, experiment, drafts=1, **does)
    await experiment.write()
    await experiment.evaluate()
    assert (await experiment.deployment()).ended_at is None
    assert (await experiment.status()).exposed == (20, 20 + MAX_OF_CROWD)


async def test_d5_the_same_harm_met_by_many_addresses_ends_it(begun: Any) -> None:
    experiment = await begun()
    experiment.pairs(20, 0.4, 0.4)
    for _ in range(8):
        add_crowd(3, experiment, drafts=1, fails=True)
    await experiment.write()
    await experiment.evaluate()
    assert (await experiment.deployment()).ended_because.startswith(
        "guardrail: errors: 24 of 44 installs met a failure"
    )


@pytest.mark.parametrize("accepts", [0.0, 1.0])
async def test_d5_one_address_neither_promotes_nor_refutes_at_the_last_day(begun: Any, accepts: float) -> None:
    experiment = await begun(until=NOW, promote_if_better=True, horizon=5_000)
    experiment.pairs(3, 0.5, 0.5)
    crowd, honest = uuid4(), len(experiment.arms)
    for number in range(400):
        arm = ("champion", "challenger")[number % 2]
        does = accepts if arm == "challenger" else 1 - accepts
        experiment.install(arm, accepts=does, crowd=crowd, drafts=8)
    await experiment.write()
    await experiment.evaluate()
    status = await experiment.status()
    assert status.verdict.word == "no difference shown"
    assert sum(status.exposed) == honest + MAX_OF_CROWD
    assert (await experiment.deployment()).ended_at is None


async def test_d5_what_all_addresses_agree_on_is_the_verdict(begun: Any) -> None:
    experiment = await begun(horizon=80)
    experiment.pairs(40, 0.3, 0.7)
    add_crowd(5, experiment, accepts=0.7)
    await experiment.write()
    await experiment.evaluate()
    assert (await experiment.status()).verdict.word == "better"


async def test_d5_requests_of_one_address_count_as_few_installs(
    database_url: str, models: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(models, 1)
    fail_on_titles_that_say_so(monkeypatch, version)
    async with running_with_registry(database_url, models, installs_per_address=30) as deployed:
        await deployed.deploy(1, 0.5, horizon=40, smallest_difference=0.05, promote_if_better=True)
        service = deployed.service
        unrecorded = 0
        for _ in range(40):
            draft = a_draft(title="My pandas script fails to merge two frames")
            answer = await service.suggest(**draft)
            assert answer["items"]
            if answer["suggestion_id"] is None:
                unrecorded += 1
                continue
            item = {"suggestion_id": answer["suggestion_id"], "tag": answer["items"][0]["tag"]}
            events = [an_event("viewed", 1, draft, **item, position=1), an_event("dismissed", 2, draft, **item)]
            await service.send(draft["install_id"], events)
        assert unrecorded == 10
        await deployed.service.app.state.suggester.failures.flush()
        crowds = await service.rows("SELECT DISTINCT crowd FROM assignment")
        assert len(crowds) == 1
        assert crowds[0]["crowd"] is not None
        await Experiments(deployed.database).evaluate()
        rows = await service.rows("SELECT ended_at FROM deployment")
        assert [row["ended_at"] for row in rows] == [None]
        (row,) = await service.rows("SELECT champion_installs + challenger_installs AS n FROM standing")
        assert row["n"] == MAX_OF_CROWD
