"""An imported version in a running service: deployed to a share, answering over HTTP, promoted and rolled back."""

from pathlib import Path
from typing import Any

from model.registry.versions import read_version
from tests.backend.service import a_draft
from tests.end_to_end.process import get, post, run, serving, wait_until
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
            answers: list[dict[str, Any]] = []

            def is_expected() -> bool:
                answers.append(answer())
                return bool(answers[-1]["model_version"] == expected)

            wait_until(is_expected)
            return answers[-1]

        deployed = run(short_folder, "deploy", "1", "--share", "50%", **registry)
        assert deployed.returncode == 0, deployed.stderr
        best = answer_by(version)["items"][0]
        assert (best["tag"], best["confident"]) == ("gamma++-7", True)
        assert best["because"][0] == words_of("gamma++-7")[1]
        answer_by(shipped)
        assert run(short_folder, "promote", **registry).returncode == 0
        wait_until(lambda: bool(get(f"{address}/health/ready")["model"] == version))
        assert run(short_folder, "rollback", **registry).returncode == 0
        answer_by(shipped)
