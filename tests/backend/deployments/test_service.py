"""The steps of a version's life: what each one writes, and which are refused."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from backend.audit.service import OPERATOR
from backend.deployments import service
from backend.deployments.assignments import delete_assignments
from backend.deployments.service import DeploymentRefused
from tests.backend.deployments.deployable_service import DeployableService, install_ids
from tests.backend.deployments.registry import register

pytestmark = pytest.mark.anyio


async def test_every_step_is_in_the_audit_log_and_marked(deployable: DeployableService) -> None:
    began = datetime.now(UTC)
    first, second = register(deployable.models, 1), register(deployable.models, 2)
    deployment = await deployable.deploy(1, 0.1, horizon=3762, smallest_difference=0.02)
    await deployable.deploy(1, 0.25)
    await deployable.promote()
    await deployable.deploy(2, 0.0, shadow=True)
    await deployable.roll_back("shadow")
    await deployable.roll_back("champion")
    rows = await deployable.service.rows("SELECT actor, act, subject, details FROM audit ORDER BY id")
    assert [(row["actor"], row["act"], row["subject"]) for row in rows] == [
        ("operator", "deploy", first),
        ("operator", "change share", first),
        ("operator", "promote", first),
        ("operator", "deploy", second),
        ("operator", "roll back", second),
        ("operator", "roll back", first),
    ]
    assert rows[0]["details"] == {
        "deployment": str(deployment.id),
        "number": 1,
        "role": "challenger",
        "share": 0.1,
        "horizon": 3762,
        "smallest_difference": 0.02,
    }
    assert rows[1]["details"] == {"deployment": str(deployment.id), "number": 1, "before": 0.1, "share": 0.25}
    assert rows[2]["details"]["instead of"] == "the shipped model"
    assert (rows[5]["details"]["role"], rows[5]["details"]["to"]) == ("champion", "the shipped model")
    async with deployable.database.session() as session:
        told = [release.description for release in await service.list_releases(session, began, datetime.now(UTC))]
        assert await service.list_releases(session, began - timedelta(days=1), began) == []
    assert told == [
        f"deploy {first} (version 1), 10% of the installs",
        f"change share {first} (version 1), 25% of the installs",
        f"promote {first} (version 1): test",
        f"deploy {second} (version 2), in the shadow",
        f"roll back {second} (version 2): test",
        f"roll back {first} (version 1): test",
    ]


async def test_a_step_that_is_refused_leaves_nothing(deployable: DeployableService) -> None:
    for number in (1, 2, 3):
        register(deployable.models, number)
    register(deployable.models, 4, version=deployable.loaded.champion.version)
    with pytest.raises(DeploymentRefused, match="is the champion already"):
        await deployable.deploy(4, 0.1)
    for share in (0.0, 1.1):
        with pytest.raises(DeploymentRefused, match="share"):
            await deployable.deploy(1, share)
    await deployable.deploy(1, 0.5)
    await deployable.deploy(3, 0.0, shadow=True)
    before = await everything(deployable)
    for number, share, told in ((1, 0.5, "only grows"), (1, 0.4, "only grows"), (2, 0.1, "is the challenger already")):
        with pytest.raises(DeploymentRefused, match=told):
            await deployable.deploy(number, share)
    with pytest.raises(DeploymentRefused, match="is the shadow already"):
        await deployable.deploy(2, 0.0, shadow=True)
    assert await everything(deployable) == before


async def everything(deployable: DeployableService) -> list[dict[str, Any]]:
    return await deployable.service.rows(
        "SELECT role, share, ended_at, (SELECT count(*) FROM audit) AS acts FROM deployment ORDER BY role"
    )


async def test_a_number_names_one_model_for_good(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    register(deployable.models, 2, version="light-test0001")
    await deployable.deploy(1, 0.5)
    await deployable.roll_back("challenger")
    with pytest.raises(DeploymentRefused, match="is the same model as version 1"):
        await deployable.deploy(2, 0.5)
    (deployable.models / "1").rename(deployable.models / "one")
    register(deployable.models, 1, version="light-other")
    with pytest.raises(DeploymentRefused, match="A number names one model for good"):
        await deployable.deploy(1, 0.5)


async def test_a_champion_is_not_taken_away_from_under_an_experiment(deployable: DeployableService) -> None:
    for number in (1, 2):
        register(deployable.models, number)
    await deployable.deploy(1, 0.5)
    champion = await deployable.promote()
    await deployable.deploy(2, 0.5)
    with pytest.raises(DeploymentRefused, match="Roll that back first"):
        await deployable.roll_back("champion")
    async with deployable.database.session() as session:
        with pytest.raises(DeploymentRefused, match="no challenger"):
            await service.promote(session, champion.id, actor=OPERATOR, reason="", now=datetime.now(UTC))
    await deployable.roll_back("challenger")
    await deployable.roll_back("champion")


async def test_a_shadow_becomes_the_challenger(deployable: DeployableService) -> None:
    register(deployable.models, 1)
    await deployable.deploy(1, 0.0, shadow=True)
    await deployable.deploy(1, 0.5)
    rows = await deployable.service.rows("SELECT role, ended_because FROM deployment ORDER BY started_at")
    assert [(row["role"], row["ended_because"]) for row in rows] == [
        ("shadow", "became the challenger"),
        ("challenger", None),
    ]
    assert deployable.loaded.shadow is None


async def test_an_install_moved_by_a_growing_share_keeps_its_first_arm(
    deployable: DeployableService,
) -> None:
    register(deployable.models, 1)
    await deployable.deploy(1, 0.2)
    writers = install_ids(30, seed=5)
    for each in writers:
        await deployable.service.suggest(install_id=each)
    before = await arms(deployable)
    for share in (0.5, 1.0):
        await deployable.deploy(1, share)
        for each in writers:
            await deployable.service.suggest(install_id=each)
    after = await arms(deployable)
    assert {install: row["arm"] for install, row in after.items()} == {
        install: row["arm"] for install, row in before.items()
    }
    for row in after.values():
        assert (row["moved_at"] is not None) == (row["arm"] == "champion")
    assert len({row["moved_at"] for row in after.values()}) == 3  # none, and one at each growth


async def test_arms_of_experiments_that_ended_long_ago_are_deleted(deployable: DeployableService) -> None:
    for number in (1, 2):
        register(deployable.models, number)
    await deployable.deploy(1, 1.0)
    await deployable.service.suggest(install_id=install_ids(1)[0])
    await deployable.roll_back("challenger")
    await deployable.deploy(2, 1.0)
    await deployable.service.suggest(install_id=install_ids(1)[0])
    async with deployable.database.session() as session:
        assert await delete_assignments(session, datetime.now(UTC) - timedelta(hours=1)) == 0
        assert await delete_assignments(session, datetime.now(UTC) + timedelta(hours=1)) == 1
    (left,) = await deployable.service.rows(
        "SELECT model_version FROM assignment JOIN deployment ON id = deployment_id"
    )
    assert left["model_version"] == "light-test0002"


async def arms(deployable: DeployableService) -> dict[str, dict[str, Any]]:
    rows = await deployable.service.rows("SELECT install_id, arm, moved_at FROM assignment")
    return {str(row["install_id"]): row for row in rows}
