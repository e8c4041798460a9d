"""A version in the shadow: never shown, off the writers' time, scored against what is posted."""

import asyncio
import threading
import time
from typing import Any
from uuid import UUID

import pytest

from backend.deployments.inference_pool import InferencePool
from backend.deployments.shadow import ShadowRunner
from backend.experiments.shadow_scores import ShadowScores, mean_scores, score_shadow
from model.serving.classifier import Classifier, Suggested
from tests.backend.deployments.deployable_service import DeployableService, fail_on_titles_that_say_so, install_ids
from tests.backend.deployments.registry import register
from tests.backend.service import a_draft, an_event

pytestmark = pytest.mark.anyio


async def stored(deployable: DeployableService, count: int) -> list[dict[str, Any]]:
    """The answers in the shadow, once there are so many."""
    started = time.monotonic()
    while len(rows := await deployable.service.rows("SELECT * FROM shadow")) < count:
        assert time.monotonic() - started < 60
        await asyncio.sleep(0.05)
    return rows


async def test_the_shadow_answers_beside_and_is_never_shown(deployable: DeployableService) -> None:
    version = register(deployable.models, 1)
    before = await deployable.service.suggest(title="Sort a dict by its values in Python")
    deployment = await deployable.deploy(1, 0.0, shadow=True)
    answer = await deployable.service.suggest(title="Sort a dict by its values in Python")
    assert answer["model_version"] == before["model_version"]
    (row,) = await stored(deployable, 1)
    assert str(row["suggestion_id"]) == answer["suggestion_id"]
    assert (row["deployment_id"], row["model_version"]) == (deployment.id, version)
    assert row["tags"] == [item["tag"] for item in answer["items"]]
    assert row["confident"] == sum(item["confident"] for item in answer["items"])
    assert await deployable.service.rows("SELECT 1 AS one FROM assignment") == []
    (suggestion,) = await deployable.service.rows(
        "SELECT deployment_id FROM suggestion WHERE id = CAST(:id AS uuid)", id=answer["suggestion_id"]
    )
    assert suggestion["deployment_id"] is None


async def test_what_the_shadow_said_is_in_its_installs_export(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    await deployable.deploy(1, 0.0, shadow=True)
    answers = [await deployable.service.suggest(install_id=each) for each in install_ids(2)]
    await stored(deployable, 2)
    for install, answer in zip(install_ids(2), answers, strict=True):
        export = (await deployable.service.client.get(f"/api/v1/installs/{install}")).json()
        assert [row["suggestion_id"] for row in export["shadow_answers"]] == [answer["suggestion_id"]]


async def test_what_leaves_no_row_and_what_is_no_question_is_not_shadowed(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    await deployable.deploy(1, 0.0, shadow=True)
    await deployable.service.suggest(record=False)
    for kind in ("edit", "try"):
        await deployable.service.suggest(kind=kind)
    answer = await deployable.service.suggest()
    (row,) = await stored(deployable, 1)
    assert str(row["suggestion_id"]) == answer["suggestion_id"]


async def test_a_slow_shadow_holds_up_nobody_and_what_it_cannot_do_is_dropped(
    deployable: DeployableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(deployable.models, 1)
    await deployable.deploy(1, 0.0, shadow=True)
    suggest, go_on = Classifier.suggest, threading.Event()

    def slow(self: Classifier, *args: Any, **more: Any) -> list[Suggested]:
        if self.version == version:
            assert go_on.wait(30)
        return suggest(self, *args, **more)

    monkeypatch.setattr(Classifier, "suggest", slow)
    try:
        # More than wait for it at most: the shadow is in its first answer all the while.
        for _ in range(80):
            assert (await deployable.service.suggest())["items"]
        assert await deployable.service.rows("SELECT 1 AS one FROM shadow") == []
    finally:
        go_on.set()
    rows = await stored(deployable, 1)
    await asyncio.sleep(0.5)
    assert len(rows) < 80


async def test_while_every_core_is_busy_the_shadow_does_nothing(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    await deployable.deploy(1, 0.0, shadow=True)
    pool, writer_answered = InferencePool(1), threading.Event()
    shadows = ShadowRunner(deployable.service.app.state.router, deployable.database, pool)
    answer = await deployable.service.suggest()
    await stored(deployable, 1)
    await deployable.service.rows("DELETE FROM shadow RETURNING 1 AS one")
    asked: list[Classifier] = []

    def note(classifier: Classifier) -> list[Suggested]:
        asked.append(classifier)
        return []

    working = asyncio.create_task(shadows.work())
    try:
        writer = asyncio.create_task(pool.run(writer_answered.wait))
        await asyncio.sleep(0)
        shadows.offer(UUID(answer["suggestion_id"]), note)
        await asyncio.sleep(0.3)
        writer_answered.set()
        await writer
        await asyncio.sleep(0.3)
        assert asked == []
        shadows.offer(UUID(answer["suggestion_id"]), note)
        await stored(deployable, 1)
        assert len(asked) == 1
    finally:
        working.cancel()


async def test_a_shadow_that_fails_harms_nobody(deployable: DeployableService, monkeypatch: pytest.MonkeyPatch) -> None:
    version = register(deployable.models, 1)
    await deployable.deploy(1, 0.0, shadow=True)
    fail_on_titles_that_say_so(monkeypatch, version)
    assert (await deployable.service.suggest(title="My pandas script fails to merge"))["items"]
    answer = await deployable.service.suggest()
    (row,) = await stored(deployable, 1)
    assert str(row["suggestion_id"]) == answer["suggestion_id"]


async def test_the_shadow_is_scored_against_what_is_posted(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    deployment = await deployable.deploy(1, 0.0, shadow=True)
    draft = a_draft()
    answer = await deployable.service.suggest(**draft)
    (row,) = await stored(deployable, 1)
    await deployable.service.suggest()  # never posted: no part of any score
    await stored(deployable, 2)
    # As if the shadow had offered two tags where another was shown.
    await deployable.service.rows(
        "UPDATE shadow SET tags = '{pandas,merge}', scores = '{.9,.8}', confident = 2"
        " WHERE suggestion_id = :id RETURNING 1 AS one",
        id=row["suggestion_id"],
    )
    posted = an_event("posted", 1, draft, tags=["pandas", "merge", "dataframe"], question_id=None, site=draft["site"])
    assert (await deployable.service.send(draft["install_id"], [posted]))["new"] == 1
    shown = {item["tag"] for item in answer["items"] if item["confident"]}
    async with deployable.database.session() as session:
        found = await score_shadow(session, deployment.id)
    assert found == ShadowScores(
        shadow=mean_scores([({"pandas", "merge"}, {"pandas", "merge", "dataframe"})]),
        shown=mean_scores([(shown, {"pandas", "merge", "dataframe"})]),
    )
    assert (found.shadow.drafts, found.shadow.precision) == (1, 1.0)
    assert found.shadow.recall == pytest.approx(2 / 3)


def test_scores_are_means_over_drafts() -> None:
    found = mean_scores([({"a", "b"}, {"b", "c"}), (set(), {"d"}), ({"e"}, {"e"})])
    assert found.drafts == 3
    assert found.precision == pytest.approx((0.5 + 1) / 2)
    assert found.recall == pytest.approx((0.5 + 0 + 1) / 3)
    assert found.jaccard == pytest.approx((1 / 3 + 0 + 1) / 3)
    assert mean_scores([]).jaccard is None
