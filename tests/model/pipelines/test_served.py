"""An imported version in a running service: deployed to a share, answering over HTTP, promoted and rolled back."""

import time
from pathlib import Path
from typing import Any

from model.registry.versions import read_version
from tests.backend.service import a_draft
from tests.end_to_end.process import get, post, run, serving
from tests.model.pipelines.conftest import Brought
from tests.model.pipelines.generated import words_of


def test_an_imported_version_gets_a_share_of_the_installs_is_promoted_and_rolled_back(
    brought: Brought, short_folder: Path
) -> None:
    version = read_version(brought.registry, 1).name
    registry: dict[str, Any] = {"TAGALONG_MODELS_DIR": str(brought.registry)}
    title = f"How do I use {words_of('gamma++-7')[1]} with filler3?"
    with serving(short_folder, TAGALONG_MODEL_TIER="light", **registry) as (_, address, _):
        shipped = get(f"{address}/health/ready")["model"]

        def answer() -> dict[str, Any]:
            """Return the answer to a new draft of a new install."""
            return dict(post(f"{address}/api/v1/suggestions", a_draft(title=title, body="filler1 filler2")))

        def answer_by(expected: str) -> dict[str, Any]:
            """Return the first answer of a version, which comes within seconds; no request may fail meanwhile."""
            end = time.monotonic() + 30
            while (answered := answer())["model_version"] != expected:
                assert time.monotonic() < end
                time.sleep(0.05)
            return answered

        deployed = run(short_folder, "deploy", "1", "--share", "50%", **registry)
        assert deployed.returncode == 0, deployed.stderr
        best = answer_by(version)["items"][0]
        assert (best["tag"], best["confident"]) == ("gamma++-7", True)
        assert best["because"][0] == words_of("gamma++-7")[1]
        answer_by(shipped)
        assert run(short_folder, "promote", **registry).returncode == 0
        end = time.monotonic() + 30
        while get(f"{address}/health/ready")["model"] != version:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert run(short_folder, "rollback", **registry).returncode == 0
        answer_by(shipped)
