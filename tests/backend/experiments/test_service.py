"""An experiment in the database: counted by install, evaluated by one replica, ended if harmful, concluded once."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.deployments.tables import Deployment, Failure
from backend.experiments import guardrails
from backend.experiments.service import plan_experiment
from backend.experiments.status import last_status
from backend.experiments.tables import GuardrailRow, VerdictRow
from backend.experiments.verdict import estimate_difference
from tests.backend.acceptance.traffic import Writer
from tests.backend.experiments.experiment import CHALLENGER, NOW, Experiment

pytestmark = pytest.mark.anyio


@pytest.fixture
async def begun(engine: AsyncEngine, database_url: str) -> AsyncIterator[Callable[..., Awaitable[Experiment]]]:
    """Makes an experiment, and closes its connections at the end."""
    made: list[Experiment] = []

    async def begin(**more: Any) -> Experiment:
        made.append(Experiment(engine, database_url, **more))
        await made[-1].begin()
        return made[-1]

    yield begin
    for each in made:
        await each.database.close()


async def test_an_experiment_is_counted_by_install(begun: Any) -> None:
    experiment = await begun(horizon=3_762)
    experiment.pairs(25, 0.3, 0.5)
    experiment.install("champion", accepts=0.5, offers=0.0)
    # Its drafts before it was moved count in its first arm, those after it in none.
    experiment.install("champion", accepts=0.5, drafts=20, moved_at=NOW - timedelta(days=9) + timedelta(hours=5))
    # A draft of an edit, and one of no experiment.
    for more in ({"kind": "edit", "deployment_id": experiment.values["id"]}, {"deployment_id": None}):
        draft = experiment.writer.draft(NOW, install_id=experiment.arms[0]["install_id"], **more)
        experiment.writer.item(experiment.writer.suggestion(draft, ["a"]), "a", NOW)
    await experiment.write()

    status = await experiment.status()
    assert status.exposed == (27, 25)
    assert status.counted == 51
    assert status.summary == "not enough yet: 51 of 3,762 installs"
    acceptance, kept, agreement, jaccard = status.arms
    for arms, name in ((acceptance, "viewed"), (jaccard, "drafts")):
        assert arms.trials == tuple(experiment.counts[arm][name] for arm in ("champion", "challenger"))
    challenger, of_challenger = acceptance.challenger, experiment.counts["challenger"]
    assert challenger is not None
    assert challenger.value == pytest.approx(of_challenger["accepted"] / of_challenger["viewed"])
    assert jaccard.challenger.value == pytest.approx(of_challenger["jaccard"] / of_challenger["drafts"])
    # Whatever was accepted was posted here, and nothing else that was offered.
    assert kept.challenger == agreement.challenger == challenger
    # While it runs, the bounds are those that hold however often one looks.
    once = estimate_difference(acceptance.champion, challenger)
    assert acceptance.difference is not None
    assert once is not None
    assert acceptance.difference.value == once.value == pytest.approx(challenger.value - acceptance.champion.value)
    assert acceptance.difference.low < once.low < once.high < acceptance.difference.high


async def test_before_the_horizon_there_is_no_verdict_and_the_guardrails_are_read(begun: Any) -> None:
    experiment = await begun(horizon=51)
    experiment.pairs(25, 0.1, 0.9)
    await experiment.write()
    await experiment.evaluate()
    status = await experiment.status()
    assert status.verdict is None
    assert set(status.guardrails) == set(guardrails.TITLES)
    assert {row.breached for row in status.guardrails.values()} == {False}
    assert (await experiment.deployment()).ended_at is None


async def test_at_the_horizon_the_verdict_is_given_once_and_stays(begun: Any) -> None:
    experiment = await begun(horizon=80)
    experiment.pairs(40, 0.3, 0.6)
    await experiment.write()
    # Two replicas at once.
    await asyncio.gather(experiment.evaluate(), experiment.evaluate())
    status = await experiment.status()
    assert status.summary == status.verdict.word == "better"
    assert status.verdict.installs == 80
    assert status.verdict.low > 0
    assert status.verdict.difference == pytest.approx(status.arms[0].difference.value)
    assert set(status.verdict.figures) == {"acceptance", "kept", "agreement", "jaccard"}
    # What comes later changes nothing: by now it would be worse.
    experiment.writer, experiment.arms = Writer(2), []
    experiment.pairs(120, 0.9, 0.1)
    await experiment.write()
    await experiment.evaluate()
    later = await experiment.status()
    assert (later.verdict.word, later.verdict.given_at) == ("better", NOW)
    assert later.arms[0].difference.value < 0
    async with experiment.database.session() as session:
        kept = await last_status(session, await session.get_one(Deployment, experiment.values["id"]))
    assert kept.arms == status.arms
    # It is not promoted: that was not switched on.
    assert (await experiment.deployment()).ended_at is None
    (act,) = [each for each in await experiment.acts() if each.act == "verdict"]
    assert (act.actor, act.details["verdict"], act.details["installs"]) == ("service", "better", 80)


async def test_a_better_one_is_promoted_where_that_is_switched_on(begun: Any) -> None:
    experiment = await begun(horizon=80, promote_if_better=True)
    experiment.pairs(40, 0.3, 0.6)
    await experiment.write()
    await experiment.evaluate()
    async with experiment.database.session() as session:
        champion = await session.scalar(select(Deployment).where(Deployment.role == "champion"))
    assert champion.model_version == CHALLENGER
    assert (await experiment.deployment()).ended_because == "promoted"
    assert [(act.act, act.actor) for act in await experiment.acts()] == [("verdict", "service"), ("promote", "service")]


async def test_a_worse_one_is_rolled_back(begun: Any) -> None:
    experiment = await begun(horizon=80, promote_if_better=True)
    experiment.pairs(40, 0.6, 0.3)
    await experiment.write()
    await experiment.evaluate()
    assert (await experiment.deployment()).ended_because.startswith("verdict: worse")
    assert (await experiment.status()).summary == "worse"


@pytest.mark.parametrize(
    ("more", "given"), [({"until": NOW}, True), ({"until": NOW + timedelta(seconds=1)}, False), ({}, False)]
)
async def test_the_last_day_gives_the_verdict_too(begun: Any, more: dict[str, Any], given: bool) -> None:
    experiment = await begun(horizon=5_000, **more)
    experiment.pairs(10, 0.4, 0.4)
    await experiment.write()
    await experiment.evaluate()
    found = (await experiment.status()).verdict
    assert (found is not None and found.word == "no difference shown") == given


async def test_enough_installs_do_not_bring_the_verdict_before_the_weeks_are_over(begun: Any) -> None:
    experiment = await begun(horizon=60, min_weeks=1, started_at=NOW - timedelta(days=6))
    experiment.pairs(40, 0.3, 0.6)
    await experiment.write()
    await experiment.evaluate()
    status = await experiment.status()
    assert status.verdict is None
    assert status.summary == "enough installs; the verdict comes on 2026-11-21"
    async with experiment.database.session() as session:
        await session.execute(update(Deployment).values(started_at=NOW - timedelta(days=7)))
    await experiment.evaluate()
    assert (await experiment.status()).verdict.word == "better"


async def test_what_is_clicked_for_being_new_does_not_win(begun: Any) -> None:
    experiment = await begun(horizon=80, min_weeks=4, started_at=NOW - timedelta(days=28))
    exposed_at = NOW - timedelta(days=27)
    for _ in range(45):
        for arm, at_first in (("champion", 0.4), ("challenger", 0.9)):
            install_id = experiment.install(arm, accepts=at_first, exposed_at=exposed_at, begins=exposed_at)
            # In the same install, after it has settled in.
            experiment.write_drafts(install_id, arm, accepts=0.4, begins=exposed_at + timedelta(days=14, hours=1))
    await experiment.write()
    await experiment.evaluate()
    status = await experiment.status()
    assert status.counted == 90
    assert status.arms[0].trials == (270, 270)
    assert status.verdict.word == "no difference shown"


async def test_a_change_for_everybody_on_the_way_does_not_bias_the_comparison(begun: Any) -> None:
    experiment = await begun(share=0.1)
    start, raised = NOW - timedelta(days=14), NOW - timedelta(days=7)
    experiment.raise_share(raised, 0.5)
    # All accept before the share is raised, nobody does later: pooled, the arms would be .68 and .25 apart.
    later = raised + timedelta(hours=1)
    for arm, early, late in (("champion", 90, 40), ("challenger", 10, 30)):
        for _ in range(early):
            experiment.install(arm, accepts=1.0, share=0.1, exposed_at=start, begins=start)
        for _ in range(late):
            experiment.install(arm, accepts=0.0, share=0.5, exposed_at=later, begins=later)
    await experiment.write()
    acceptance = (await experiment.status()).arms[0]
    assert acceptance.champion.value == pytest.approx(acceptance.challenger.value)
    assert acceptance.difference.value == pytest.approx(0.0)
    await experiment.evaluate()
    words = (await experiment.status()).guardrails["sample ratio"].words
    assert words.endswith("26.5 % were set: 10.0 % for 100 installs, then 50.0 % for 70")


async def test_too_few_installs_are_named(begun: Any) -> None:
    experiment = await begun()
    experiment.pairs(18, 0.4, 0.4)
    for _ in range(7):
        experiment.install("champion", accepts=0.4)
    await experiment.write()
    acceptance = (await experiment.status()).arms[0]
    assert acceptance.difference is None
    assert acceptance.lack == "18 installs in the challenger's arm, 20 needed"


@pytest.mark.parametrize(
    ("name", "harm"),
    [
        ("dismissals", {"dismisses": 0.9}),
        ("coverage", {"offers": 0.2}),
        ("latency", {"latency_ms": 900.0}),
    ],
)
async def test_a_challenger_that_does_harm_is_rolled_back_with_the_reason(
    begun: Any, name: str, harm: dict[str, float]
) -> None:
    experiment = await begun()
    experiment.pairs(40, 0.4, 0.4, **harm)
    await experiment.write()
    await experiment.evaluate()
    ended = await experiment.deployment()
    assert ended.ended_at == NOW
    assert ended.ended_because.startswith(f"guardrail: {name}: challenger ")
    (act,) = await experiment.acts()
    assert (act.act, act.actor, act.subject, act.details["why"]) == (
        "roll back",
        "service",
        CHALLENGER,
        ended.ended_because,
    )
    status = await experiment.status()
    assert status.guardrails[name].breached
    assert status.verdict is None
    assert status.summary == f"no verdict: {ended.ended_because}"
    # Nothing runs any more, so nothing is evaluated.
    await experiment.evaluate()
    assert len(await experiment.acts()) == 1


async def test_the_service_evaluates_by_itself(begun: Any, make_service: Any) -> None:
    experiment = await begun()
    for _ in range(60):
        experiment.install("champion", accepts=0.4)
    await experiment.write()
    async with make_service(model_tier="light"), asyncio.timeout(60):
        while (await experiment.deployment()).ended_at is None:
            await asyncio.sleep(0.05)
    assert (await experiment.deployment()).ended_because.startswith("guardrail: sample ratio")


async def test_one_that_fails_to_answer_is_rolled_back(begun: Any) -> None:
    experiment = await begun()
    for number in range(20):
        experiment.install("challenger", accepts=0.4, fails=number < 6)
    await experiment.write()
    async with experiment.engine.begin() as connection:
        row = {"deployment_id": experiment.values["id"], "minute": NOW, "answers": 90, "failed": 27}
        await connection.execute(insert(Failure), row)
    await experiment.evaluate()
    because = (await experiment.deployment()).ended_because
    assert because.startswith("guardrail: errors: 6 of 20 installs met a failure, 30.0 % of an install's answers")
    assert because.endswith("(of all that were asked for: 27 of 90)")


async def test_answers_that_fail_again_and_again_for_one_install_end_nothing(begun: Any) -> None:
    experiment = await begun()
    experiment.install("challenger", accepts=0.4, drafts=60, fails=True)
    for _ in range(19):
        experiment.pairs(1, 0.4, 0.4)
    await experiment.write()
    await experiment.evaluate()
    assert (await experiment.deployment()).ended_at is None
    assert (await experiment.status()).guardrails["errors"].words.startswith("1 of 20 installs met a failure")


async def test_arms_out_of_proportion_end_it(begun: Any) -> None:
    experiment = await begun()
    for _ in range(60):
        experiment.install("champion", accepts=0.4)
    await experiment.write()
    await experiment.evaluate()
    assert (await experiment.deployment()).ended_because.startswith("guardrail: sample ratio: 0 of 60 installs")


async def test_a_plan_rests_on_what_installs_did(begun: Any) -> None:
    experiment = await begun()
    async with experiment.database.session() as session:
        guess = await plan_experiment(session, 0.5, 0.05, NOW)
    assert (guess.variance, guess.measured_on) == (0.25, 0)
    for number in range(150):
        experiment.install("champion", accepts=(0.25, 0.35)[number % 2], drafts=4)
    await experiment.write()
    async with experiment.database.session() as session:
        known = await plan_experiment(session, 0.5, 0.05, NOW)
        rare = await plan_experiment(session, 0.1, 0.05, NOW)
        past = await plan_experiment(session, 0.5, 0.05, NOW + timedelta(days=60))
    assert known.measured_on == 150
    # The share of twelve items at a rate of .3 varies by .3 * .7 / 12, and a little more, as installs differ.
    assert 0.01 < known.variance < 0.04
    assert known.horizon < rare.horizon < guess.horizon
    assert past.measured_on == 0


async def test_the_page_shows_what_the_last_evaluation_counted(begun: Any) -> None:
    experiment = await begun(horizon=60)
    experiment.pairs(30, 0.4, 0.5)
    await experiment.write()
    async with experiment.database.session() as session:
        before = await last_status(session, await session.get_one(Deployment, experiment.values["id"]))
    # Never evaluated, it is counted for the page.
    assert (before.read_at, before.exposed, before.summary) == (None, (30, 30), "not enough yet: 60 of 60 installs")
    await experiment.evaluate()
    live = await experiment.status()
    async with experiment.database.session() as session:
        kept = await last_status(session, await session.get_one(Deployment, experiment.values["id"]))
    assert kept.read_at == NOW
    assert (kept.exposed, kept.counted, kept.sample_ratio) == (live.exposed, live.counted, live.sample_ratio)
    assert kept.arms == live.arms
    assert kept.summary == live.summary == live.verdict.word


async def test_the_last_results_replace_those_before(begun: Any) -> None:
    experiment = await begun()
    experiment.install("champion", accepts=0.4)
    await experiment.write()
    await experiment.evaluate()
    await experiment.evaluate()
    async with experiment.database.session() as session:
        assert len(list(await session.scalars(select(GuardrailRow)))) == len(guardrails.TITLES)
        assert list(await session.scalars(select(VerdictRow))) == []
        await session.execute(update(Deployment).values(ended_at=NOW, ended_because="rolled back"))
    assert (await experiment.status()).summary == "no verdict: rolled back"
