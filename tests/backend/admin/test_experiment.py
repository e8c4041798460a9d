"""The experiment on the page and in its twins: arms side by side, guardrails, verdict, releases, chips by order."""

import math
import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.rollup_refresh import roll_up_days
from backend.audit.service import record_act
from backend.deployments.tables import Deployment, Shadow
from backend.postgres.database import Database
from tests.backend.acceptance.traffic import Writer, store
from tests.backend.admin.conftest import NOW, Admin
from tests.backend.experiments.experiment import CHALLENGER, Experiment

pytestmark = pytest.mark.anyio


@pytest.fixture
async def experiment(engine: AsyncEngine, database_url: str) -> AsyncIterator[Experiment]:
    """Forty installs in each arm, half-way to the horizon; the challenger is better."""
    made = Experiment(engine, database_url, horizon=160)
    await made.begin()
    for _ in range(40):
        made.install("champion", accepts=0.3)
        made.install("challenger", accepts=0.7)
    await made.write()
    yield made
    await made.database.close()


def words(html: str) -> str:
    """Return the text of a page, without its markup."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


async def test_without_an_experiment_the_page_says_how_to_begin_one(admin: Admin) -> None:
    assert "No version was tried yet" in await admin.page()
    for panel in ("experiment", "guardrails", "deployments", "shadow", "releases", "orders"):
        assert await admin.rows(panel) == []


async def test_arms_stand_side_by_side_with_the_way_to_the_horizon(admin: Admin, experiment: Experiment) -> None:
    await experiment.evaluate()
    rows = {row["figure"]: row for row in await admin.rows("experiment")}
    assert list(rows) == ["acceptance", "kept", "agreement", "jaccard"]
    acceptance = rows["acceptance"]
    for arm in ("champion", "challenger"):
        counted = experiment.counts[arm]
        assert (acceptance[f"{arm}_installs"], acceptance[f"{arm}_n"]) == (40, counted["viewed"])
        assert acceptance[f"{arm}_value"] == pytest.approx(counted["accepted"] / counted["viewed"], abs=1e-6)
        assert acceptance[f"{arm}_low"] < acceptance[f"{arm}_value"] < acceptance[f"{arm}_high"]
    assert acceptance["difference_low"] < acceptance["difference"] < acceptance["difference_high"]

    guardrails = {row["guardrail"]: row["breached"] for row in await admin.rows("guardrails")}
    assert guardrails == {"errors": "no", "latency": "no", "coverage": "no", "dismissals": "no", "sample ratio": "no"}
    (row,) = await admin.rows("deployments")
    assert (row["model_version"], row["role"], row["horizon"]) == (CHALLENGER, "challenger", 160)
    assert (row["stands"], row["verdict_difference"]) == ("not enough yet: 80 of 160 installs", None)

    # Eighty installs, half of them in each arm.
    assert acceptance["smallest_visible_loss"] == pytest.approx(
        1 - math.exp(-(2.807 + 1.2816) / math.sqrt(20)), abs=1e-3
    )
    assert acceptance["why_no_difference"] is None

    page = words(await admin.page())
    assert "If one arm lost 59.9 % of its installs or more, the numbers of installs would show it nine times" in page
    assert "not enough yet: 80 of 160 installs" in page
    assert "Chips dismissed holds challenger 0.0 %, champion 0.0 %, 80 installs" in page


async def test_the_verdict_stands_on_the_page_and_in_the_list(admin: Admin, experiment: Experiment) -> None:
    experiment.values["horizon"] = 80
    async with experiment.database.session() as session:
        (await session.get_one(Deployment, experiment.values["id"])).horizon = 80
    await experiment.evaluate()
    (row,) = await admin.rows("deployments")
    assert (row["stands"], row["verdict_installs"]) == ("better", 80)
    assert 0 < row["verdict_low"] < row["verdict_difference"] < row["verdict_high"]
    page = words(await admin.page())
    assert re.search(r": better , \+\d\d\.\d points \(\+\d\d\.\d to \+\d\d\.\d\) with 80 installs on 20 Nov 2026", page)


async def test_what_the_service_ended_by_itself_stands_at_the_top_for_a_week(
    admin: Admin, experiment: Experiment
) -> None:
    async with experiment.database.session() as session:
        deployment = await session.get_one(Deployment, experiment.values["id"])
        deployment.ended_at, deployment.ended_because = NOW - timedelta(days=6), "guardrail: coverage: fell"
    page = words(await admin.page())
    assert page.index(
        "was rolled back by the service 14 Nov 2026 guardrail: coverage: fell At 14:30 UTC on 14 Nov 2026"
    ) < page.index("Bookkeeping")
    async with experiment.database.session() as session:
        deployment = await session.get_one(Deployment, experiment.values["id"])
        deployment.ended_at = NOW - timedelta(days=8)
    assert "by the service" not in words(await admin.page())


async def test_e7_an_experiment_that_ended_between_two_judgings_shows_its_figures(
    admin: Admin, experiment: Experiment
) -> None:
    async with experiment.database.session() as session:
        deployment = await session.get_one(Deployment, experiment.values["id"])
        deployment.ended_at, deployment.ended_because = NOW - timedelta(seconds=20), "by hand"
    for judged in (False, True):
        if judged:
            await experiment.evaluate()
            assert {row["guardrail"] for row in await admin.rows("guardrails")} >= {"latency", "sample ratio"}
        acceptance = (await admin.rows("experiment"))[0]
        assert (acceptance["champion_installs"], acceptance["champion_n"]) == (
            40,
            experiment.counts["champion"]["viewed"],
        )
        assert "No install was exposed yet" not in words(await admin.page())
    # What came in after the last judging and before the end belongs to it, too.
    experiment.arms.clear()
    experiment.writer = Writer(77)
    experiment.install("challenger", accepts=1.0)
    await experiment.write()
    async with experiment.database.session() as session:
        (await session.get_one(Deployment, experiment.values["id"])).ended_at = NOW + timedelta(seconds=20)
    await experiment.evaluate()
    assert (await admin.rows("experiment"))[0]["challenger_installs"] == 41


async def test_every_figure_can_be_seen_of_one_arm(admin: Admin, experiment: Experiment) -> None:
    # A draft of no experiment is in neither arm.
    other = Writer(9)
    other.item(other.suggestion(other.draft(NOW), ["a"]), "a", NOW, accepted_at=NOW)
    await store(experiment.engine, other.rows)
    viewed = {}
    for arm in ("champion", "challenger"):
        result = {row["figure"]: row["result"] for row in await admin.rows("overview", arm=arm)}
        counted = experiment.counts[arm]
        assert (result["acceptance"]["numerator"], result["acceptance"]["denominator"]) == (
            counted["accepted"],
            counted["viewed"],
        )
        assert result["coverage"]["denominator"] == counted["drafts"]
        assert result["jaccard"]["value"] == pytest.approx(counted["jaccard"] / counted["drafts"], abs=1e-6)
        viewed[arm] = counted["viewed"]
        assert f'<option value="{arm}" selected>' in await admin.page(arm=arm)
    everything = {row["figure"]: row["result"] for row in await admin.rows("overview")}
    assert everything["acceptance"]["denominator"] == sum(viewed.values()) + 1
    response = await admin.get("/metrics/overview.json", params={"arm": "third"})
    assert response.status_code == 422
    assert response.json()["possible"] == ["champion", "challenger"]


async def test_releases_are_marked_on_the_charts_and_told_in_words(admin: Admin, experiment: Experiment) -> None:
    async with experiment.database.session() as session:
        for days, act, more in (
            (9, "deploy", {"role": "challenger", "share": 0.1}),
            (5, "change share", {"share": 0.5, "before": 0.1}),
            (1, "promote", {"why": "verdict: better"}),
            (40, "deploy", {"role": "shadow"}),
        ):
            details = {"number": 2, "deployment": str(experiment.values["id"])} | more
            await record_act(session, act, CHALLENGER, details, at=NOW - timedelta(days=days))
    rows = await admin.rows("releases")
    assert [row["what"].split(" light")[0] for row in rows] == ["deploy", "change share", "promote"]
    page = await admin.page()
    # The wide and the narrow main chart, and the six at its side.
    assert page.count('class="mark"') == 3 * 8
    assert re.search(r'<text[^>]*class="tick mark"[^>]*>3</text>', page)
    (legend,) = re.findall(r'<ol class="releases">(.*?)</ol>', page, re.DOTALL)
    assert "11 Nov 2026: 14:30 deploy light-challenger (version 2), 10% of the installs" in words(legend)
    assert len(re.findall("<li>", legend)) == 3
    report = await admin.get("/metrics/report", params={"period": "28d"})
    assert report.text.count('class="mark"') == 3 * 8
    assert "promote light-challenger (version 2): verdict: better" in words(report.text)


async def test_the_shadow_is_scored_beside_what_was_shown(admin: Admin, engine: AsyncEngine, experiment: Any) -> None:
    in_shadow = experiment.values | {"id": experiment.writer.id(), "role": "shadow", "share": 0.0, "horizon": None}
    suggestion = next(row for row in experiment.writer.rows.suggestion)
    draft = next(row for row in experiment.writer.rows.draft if row["id"] == suggestion["draft_id"])
    async with engine.begin() as connection:
        await connection.execute(insert(Deployment), in_shadow)
        row = {
            "suggestion_id": suggestion["id"],
            "deployment_id": in_shadow["id"],
            "model_version": CHALLENGER,
            "tags": ["z"],
            "scores": [0.9],
            "confident": 1,
            "latency_ms": 3.0,
        }
        await connection.execute(insert(Shadow), row)
    shadow, shown = await admin.rows("shadow")
    posted = draft["posted_tags"]
    assert (shadow["drafts"], shadow["mean_precision"], shadow["mean_recall"]) == (1, 1.0, round(1 / len(posted), 6))
    assert shown["mean_jaccard"] == pytest.approx((len(posted) - 1) / 4, abs=1e-6)
    assert "In the shadow" in await admin.page()


@pytest.mark.parametrize("days", [0, 9], ids=["live", "rolled up"])
async def test_positions_of_chips_in_random_order_stand_apart(
    admin: Admin, engine: AsyncEngine, database: Database, days: int
) -> None:
    writer, began = Writer(4), NOW - timedelta(days=days, hours=5)
    expected: dict[tuple[str, int], list[int]] = {}
    for number in range(60):
        order = "random" if number % 3 == 0 else "model"
        suggestion = writer.suggestion(writer.draft(began), ["a", "b"], order=order)
        for place, tag in enumerate("ab", start=1):
            taken = NOW if (number + place) % 4 == 0 else None
            position = 3 - place if order == "random" else place
            writer.item(suggestion, tag, began, position=position, accepted_at=taken)
            counted = expected.setdefault((order, position), [0, 0])
            counted[0] += taken is not None
            counted[1] += 1
    await store(engine, writer.rows)
    await roll_up_days(database, lambda: NOW)
    found = {
        (row["order"], row["position"]): [row["acceptance"]["numerator"], row["acceptance"]["denominator"]]
        for row in await admin.rows("orders")
    }
    assert found == expected
    everything = {row["position"]: row["acceptance"]["denominator"] for row in await admin.rows("positions")}
    assert everything == {1: 60, 2: 60}
    assert "In random order" in await admin.page()


async def test_the_twins_agree(admin: Admin, experiment: Experiment, make_admin: Callable[..., Any]) -> None:
    await experiment.evaluate()
    for panel in ("experiment", "guardrails", "deployments"):
        rows = await admin.rows(panel)
        response = await admin.get(f"/metrics/{panel}.csv")
        header, *lines = response.text.strip().split("\r\n")
        assert header.split(",") == list(rows[0])
        assert len(lines) == len(rows)
