"""Deploying as an operator does it: the commands in processes of their own, the service running all the while."""

from pathlib import Path
from uuid import uuid4

from tests.backend.deployments.registry import register
from tests.backend.service import a_draft
from tests.end_to_end.process import get, post, run, serving, wait_until


def test_a_version_is_deployed_promoted_and_rolled_back_without_a_restart(short_folder: Path) -> None:
    models = short_folder / "models"
    version = register(models, 1)
    with serving(short_folder, TAGALONG_MODEL_TIER="light") as (_, address, _):
        shipped = get(f"{address}/health/ready")["model"]
        install, begun = str(uuid4()), a_draft()
        assert post(f"{address}/api/v1/suggestions", begun)["model_version"] == shipped

        def is_answered_by(version: str) -> bool:
            draft = a_draft(install_id=install)
            return bool(post(f"{address}/api/v1/suggestions", draft)["model_version"] == version)

        deployed = run(short_folder, "deploy", "1", "--share", "100%")
        assert deployed.returncode == 0, deployed.stderr
        wait_until(lambda: is_answered_by(version))
        assert get(f"{address}/health/ready")["model"] == shipped
        assert run(short_folder, "promote").returncode == 0
        wait_until(lambda: bool(get(f"{address}/health/ready")["model"] == version))
        assert post(f"{address}/api/v1/suggestions", begun)["model_version"] == shipped
        assert f"champion {version}" in run(short_folder, "deployments").stdout
        assert run(short_folder, "rollback").returncode == 0
        wait_until(lambda: is_answered_by(shipped))
