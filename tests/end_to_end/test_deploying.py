"""Deploying as an operator does it: the commands in processes of their own, the service running all the while."""

import time
from pathlib import Path
from uuid import uuid4

from tests.backend.deployments.registry import register
from tests.backend.service import a_draft
from tests.end_to_end.process import get, post, run, serving


def test_a_version_is_deployed_promoted_and_rolled_back_without_a_restart(short_folder: Path) -> None:
    models = short_folder / "models"
    version = register(models, 1)
    with serving(short_folder, TAGALONG_MODEL_TIER="light") as (_, address, _):
        shipped = get(f"{address}/health/ready")["model"]
        install, begun = str(uuid4()), a_draft()
        assert post(f"{address}/api/v1/suggestions", begun)["model_version"] == shipped

        def answered_by(expected: str) -> bool:
            """Whether a new draft is answered by a version within seconds; no request may fail meanwhile."""
            end = time.monotonic() + 10
            while time.monotonic() < end:
                if post(f"{address}/api/v1/suggestions", a_draft(install_id=install))["model_version"] == expected:
                    return True
                time.sleep(0.05)
            return False

        deployed = run(short_folder, "deploy", "1", "--share", "100%")
        assert deployed.returncode == 0, deployed.stderr
        assert answered_by(version)
        assert get(f"{address}/health/ready")["model"] == shipped
        assert run(short_folder, "promote").returncode == 0
        end = time.monotonic() + 10
        while get(f"{address}/health/ready")["model"] != version:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert post(f"{address}/api/v1/suggestions", begun)["model_version"] == shipped
        assert f"champion {version}" in run(short_folder, "deployments").stdout
        assert run(short_folder, "rollback").returncode == 0
        assert answered_by(shipped)
