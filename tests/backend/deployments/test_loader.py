"""A running service follows the deployments, and a version that it can't load changes nothing."""

import asyncio
import json
import time
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from backend.deployments import loader
from backend.deployments.router import draw_arm
from backend.deployments.tables import Deployment
from backend.suggestions import queue
from model.serving.classifier import ReleaseError
from tests.backend.deployments.deployable_service import (
    DeployableService,
    fail_on_titles_that_say_so,
    install_ids,
    running_with_registry,
)
from tests.backend.deployments.registry import register
from tests.backend.postgres.cuttable_proxy import CuttableProxy
from tests.backend.service import a_draft

pytestmark = pytest.mark.anyio

SHIPPED = json.loads((Path(__file__).parents[3] / "model/released/light/manifest.json").read_text())["version"]


def arm_of(deployment: Deployment, install: str) -> str:
    return draw_arm(deployment.salt, deployment.share, UUID(install))


async def ask(deployable: DeployableService, install: str, **changes: object) -> str:
    """Return the version that answers a new draft of an install."""
    version: str = (await deployable.service.suggest(install_id=install, **changes))["model_version"]
    return version


async def test_the_share_gets_the_challenger_and_keeps_it_while_the_share_grows(deployable: DeployableService) -> None:
    version = register(deployable.models, 1)
    writers = install_ids(60)
    assert {await ask(deployable, each) for each in writers} == {SHIPPED}

    deployment = await deployable.deploy(1, 0.3)
    first = {each: await ask(deployable, each) for each in writers}
    for each in writers:
        assert first[each] == (version if arm_of(deployment, each) == "challenger" else SHIPPED)
    rows = await deployable.service.rows("SELECT install_id, arm, share, moved_at FROM assignment")
    assert {str(row["install_id"]): row["arm"] for row in rows} == {
        each: "challenger" if first[each] == version else "champion" for each in writers
    }

    grown = await deployable.deploy(1, 0.6)
    assert (grown.id, grown.salt) == (deployment.id, deployment.salt)
    then = {each: await ask(deployable, each) for each in writers}
    assert {each for each in writers if first[each] == version} < {each for each in writers if then[each] == version}
    assert {row["share"] for row in rows} == {0.3}
    moved = await deployable.service.rows("SELECT install_id, arm FROM assignment WHERE moved_at IS NOT NULL")
    assert {str(row["install_id"]) for row in moved} == {each for each in writers if first[each] != then[each]}
    assert {row["arm"] for row in moved} == {"champion"}


async def test_answers_drafts_and_arms_name_the_deployment(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    before = a_draft()
    await deployable.service.suggest(**before)
    deployment = await deployable.deploy(1, 0.5)
    await deployable.service.suggest(**before)
    during = a_draft()
    await deployable.service.suggest(**during)
    rows = {
        str(row["id"]): row
        for row in await deployable.service.rows(
            "SELECT draft.id, draft.deployment_id, array_agg(suggestion.deployment_id) AS of_answers"
            " FROM draft JOIN suggestion ON draft_id = draft.id GROUP BY draft.id"
        )
    }
    assert rows[before["draft_id"]]["deployment_id"] is None
    assert rows[before["draft_id"]]["of_answers"] == [None, None]
    assert rows[during["draft_id"]]["deployment_id"] == deployment.id
    assert rows[during["draft_id"]]["of_answers"] == [deployment.id]
    (assignment,) = await deployable.service.rows("SELECT install_id FROM assignment")
    assert str(assignment["install_id"]) == during["install_id"]


async def test_a_draft_keeps_the_version_of_its_first_answer_through_deploy_and_promote(
    deployable: DeployableService,
) -> None:
    version = register(deployable.models, 1)
    started = a_draft()
    unrecorded = a_draft(record=False)
    for draft in (started, unrecorded):
        assert (await deployable.service.suggest(**draft))["model_version"] == SHIPPED
    await deployable.deploy(1, 1.0)
    for draft in (started, unrecorded):
        assert (await deployable.service.suggest(**draft))["model_version"] == SHIPPED
        assert await ask(deployable, draft["install_id"]) == version
    await deployable.promote()
    for draft in (started, unrecorded):
        assert (await deployable.service.suggest(**draft))["model_version"] == SHIPPED
        assert await ask(deployable, draft["install_id"]) == version


async def test_a_draft_keeps_its_version_at_another_replica(deployable: DeployableService, database_url: str) -> None:
    version = register(deployable.models, 1)
    started = a_draft()
    assert (await deployable.service.suggest(**started))["model_version"] == SHIPPED
    await deployable.deploy(1, 1.0)
    async with running_with_registry(database_url, deployable.models) as other:
        assert (await other.service.suggest(**started))["model_version"] == SHIPPED
        assert await ask(other, started["install_id"]) == version


async def test_a_draft_whose_version_was_rolled_back_is_answered_by_the_champion(deployable: DeployableService) -> None:
    version = register(deployable.models, 1)
    await deployable.deploy(1, 1.0)
    started = a_draft()
    assert (await deployable.service.suggest(**started))["model_version"] == version
    await deployable.roll_back("challenger")
    assert (await deployable.service.suggest(**started))["model_version"] == SHIPPED
    assert deployable.loader.versions == [SHIPPED]
    register(deployable.models, 2)
    await deployable.deploy(2, 1.0)
    await deployable.service.suggest(**started)
    assert len(await deployable.service.rows("SELECT 1 AS one FROM assignment")) == 1


async def test_promote_and_roll_back_change_the_champion_of_everybody(deployable: DeployableService) -> None:
    versions = [register(deployable.models, number) for number in (1, 2, 3)]
    for number, version in enumerate(versions, start=1):
        await deployable.deploy(number, 0.1)
        await deployable.promote()
        assert {await ask(deployable, each) for each in install_ids(8)} == {version}
    ready = (await deployable.service.client.get("/health/ready")).json()
    assert (ready["model"], ready["missing_models"]) == (versions[2], {})
    for ended, version in ((versions[2], versions[1]), (versions[1], versions[0])):
        assert await deployable.roll_back("champion") == version
        assert {await ask(deployable, each) for each in install_ids(8)} == {version}
        assert ended not in deployable.loader.versions
    assert await deployable.roll_back("champion") == "the shipped model"
    assert {await ask(deployable, each) for each in install_ids(8)} == {SHIPPED}
    assert deployable.loader.versions == [SHIPPED]


@pytest.mark.parametrize("kind", ["try", "demo"])
async def test_who_only_tries_it_gets_the_champion_and_no_arm(deployable: DeployableService, kind: str) -> None:
    register(deployable.models, 1)
    await deployable.deploy(1, 1.0)
    assert {await ask(deployable, each, kind=kind) for each in install_ids(5)} == {SHIPPED}
    batch = await deployable.service.client.post("/api/v1/suggestions/batch", json={"drafts": []})
    assert batch.json()["model_version"] == SHIPPED
    assert await deployable.service.rows("SELECT 1 AS one FROM assignment") == []


async def test_without_consent_the_arm_is_the_same_and_leaves_no_row(deployable: DeployableService) -> None:
    version = register(deployable.models, 1)
    deployment = await deployable.deploy(1, 0.5)
    for each in install_ids(12):
        expected = version if arm_of(deployment, each) == "challenger" else SHIPPED
        assert await ask(deployable, each, record=False) == expected
    for table in ("assignment", "suggestion", "draft"):
        assert await deployable.service.rows(f"SELECT 1 AS one FROM {table}") == []


async def test_two_replicas_agree_within_seconds(deployable: DeployableService, database_url: str) -> None:
    version = register(deployable.models, 1)
    async with running_with_registry(database_url, deployable.models) as other:
        writers = install_ids(20)
        deployment = await deployable.deploy(1, 0.5)
        started = time.monotonic()
        while other.loaded.challenger is None:
            assert time.monotonic() - started < 60
            await asyncio.sleep(0.05)
        for each in writers:
            expected = version if arm_of(deployment, each) == "challenger" else SHIPPED
            assert await ask(deployable, each) == await ask(other, each) == expected
        replicas = await other.service.rows("SELECT champion, loaded FROM replica")
        assert len(replicas) == 2
        assert len(await deployable.service.rows("SELECT 1 AS one FROM assignment")) == len(writers)
    assert len(await deployable.service.rows("SELECT 1 AS one FROM replica")) == 1


@pytest.mark.parametrize("damage", ["missing", "truncated", "another", "manifest"])
async def test_a_version_that_cannot_be_loaded_changes_nothing_and_is_reported(
    deployable: DeployableService, damage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loader, "RETRY_AFTER", 0.0)
    version = register(deployable.models, 1)
    broken = deployable.models / "1" / ("manifest.json" if damage == "manifest" else "model.onnx")
    content = broken.read_bytes()
    if damage == "missing":
        broken.unlink()
    elif damage == "truncated":
        broken.write_bytes(content[:100_000])
    elif damage == "another":
        broken.write_bytes(b"no graph")
    else:
        broken.write_text(json.dumps(json.loads(content) | {"files": ["model.onnx"]}))
    await deployable.deploy(1, 1.0)
    assert {await ask(deployable, each) for each in install_ids(5)} == {SHIPPED}
    # Nobody is exposed to what is not there: the arms stay comparable.
    assert await deployable.service.rows("SELECT 1 AS one FROM assignment") == []
    ready = await deployable.service.client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.json()["missing_models"][version]
    await deployable.loader.sync()
    # Read at once: a process has this gauge once, and other tests' services live in this one.
    assert REGISTRY.get_sample_value("tagalong_models_missing") == 1
    (replica,) = await deployable.service.rows("SELECT champion, problems FROM replica")
    assert replica["champion"] == SHIPPED
    assert list(replica["problems"]) == [version]

    # Promoted all the same, as by hand: the champion that works goes on.
    await deployable.promote()
    assert {await ask(deployable, each) for each in install_ids(5)} == {SHIPPED}

    broken.write_bytes(content)
    await deployable.loader.sync()
    assert {await ask(deployable, each) for each in install_ids(5)} == {version}
    assert (await deployable.service.client.get("/health/ready")).json()["missing_models"] == {}


async def test_the_champion_answers_where_the_challenger_fails_and_that_is_counted(
    deployable: DeployableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = register(deployable.models, 1)
    deployment = await deployable.deploy(1, 1.0)
    fail_on_titles_that_say_so(monkeypatch, version)
    answer = await deployable.service.suggest(title="My pandas script fails to merge two frames")
    assert answer["items"]
    assert answer["model_version"] == SHIPPED
    assert await ask(deployable, str(uuid4())) == version
    await deployable.service.app.state.suggester.failures.flush()
    (row,) = await deployable.service.rows(
        "SELECT deployment_id, sum(answers) AS a, sum(failed) AS f FROM failure GROUP BY 1"
    )
    assert (row["deployment_id"], row["a"], row["f"]) == (deployment.id, 2, 1)


async def test_no_request_fails_while_versions_come_and_go(
    deployable: DeployableService, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A machine that is busy with something else must not look like a failure of the switch.
    monkeypatch.setattr(queue, "MAX_WAIT", 60.0)
    for number in (1, 2):
        register(deployable.models, number)
    stop = asyncio.Event()
    answered: list[int] = []

    async def write() -> None:
        while not stop.is_set():
            response = await deployable.service.client.post("/api/v1/suggestions", json=a_draft())
            answered.append(response.status_code)

    writers = [asyncio.create_task(write()) for _ in range(8)]
    await deployable.deploy(1, 0.5)
    await deployable.promote()
    await deployable.deploy(2, 0.2)
    await deployable.deploy(2, 0.9)
    await deployable.roll_back("challenger")
    await deployable.roll_back("champion")
    stop.set()
    await asyncio.gather(*writers)
    assert len(answered) > 8
    assert set(answered) == {200}


async def test_while_the_database_is_away_the_last_deployment_stands(database_url: str, models: Path) -> None:
    version = register(models, 1)
    async with CuttableProxy(database_url) as proxy, running_with_registry(proxy.url, models) as deployable:
        deployment = await deployable.deploy(1, 0.5)
        await proxy.cut()
        for each in install_ids(12):
            expected = version if arm_of(deployment, each) == "challenger" else SHIPPED
            assert await ask(deployable, each) == expected


async def test_a_service_that_starts_without_its_database_serves_the_shipped_model(
    database_url: str, models: Path
) -> None:
    version = register(models, 1)
    async with running_with_registry(database_url, models) as deployable:
        await deployable.deploy(1, 1.0)
        await deployable.promote()
    async with running_with_registry(database_url, models) as again:
        assert await ask(again, install_ids(1)[0]) == version
    async with CuttableProxy(database_url) as proxy:
        await proxy.cut()
        async with running_with_registry(proxy.url, models) as deployable:
            assert await ask(deployable, install_ids(1)[0]) == SHIPPED
            await proxy.restore()
            started = time.monotonic()
            while await ask(deployable, install_ids(1)[0]) != version:
                assert time.monotonic() - started < 60
                await asyncio.sleep(0.2)


async def test_a_start_with_a_damaged_champion_serves_the_shipped_model_and_says_so(
    database_url: str, models: Path
) -> None:
    version = register(models, 1)
    async with running_with_registry(database_url, models) as deployable:
        await deployable.deploy(1, 1.0)
        await deployable.promote()
    (models / "1" / "model.onnx").write_bytes(b"no graph")
    async with running_with_registry(database_url, models) as again:
        assert await ask(again, install_ids(1)[0]) == SHIPPED
        ready = (await again.service.client.get("/health/ready")).json()
        assert "its sha256 differs" in ready["missing_models"][version]


async def test_a_start_with_a_damaged_shipped_model_ends_and_says_what_to_set(database_url: str, models: Path) -> None:
    register(models, 1)
    (models / "1" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ReleaseError, match=r"its sha256 differs.* TAGALONG_MODEL_DIR names another one"):
        async with running_with_registry(database_url, models, model_dir=models / "1"):
            pass


async def test_an_install_exports_its_arms_and_erasing_it_renames_them(
    deployable: DeployableService,
) -> None:
    register(deployable.models, 1)
    deployment = await deployable.deploy(1, 1.0)
    (install,) = install_ids(1)
    await ask(deployable, install)
    export = (await deployable.service.client.get(f"/api/v1/installs/{install}")).json()
    (arm,) = export["arms"]
    assert (arm["deployment_id"], arm["arm"]) == (str(deployment.id), "challenger")
    assert (await deployable.service.client.delete(f"/api/v1/installs/{install}")).status_code == 204
    (row,) = await deployable.service.rows("SELECT install_id, arm FROM assignment")
    assert (str(row["install_id"]) != install, row["arm"]) == (True, "challenger")
    assert (await deployable.service.client.get(f"/api/v1/installs/{install}")).status_code == 404
