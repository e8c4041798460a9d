"""`tagalong-server deploy`, `promote`, `rollback` and `deployments`, as an operator types them."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from backend.cli import main
from tests.backend.deployments.registry import fail_check, register

Run = Callable[..., Result]


@pytest.fixture
def run(database_url: str, models: Path) -> Run:
    """Runs a command on this test's database and registry."""
    settings = {"TAGALONG_DATABASE_URL": database_url, "TAGALONG_MODELS_DIR": str(models)}

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=settings)

    return run


def rows(database_url: str, statement: str) -> list[tuple[Any, ...]]:
    async def fetch() -> list[tuple[Any, ...]]:
        connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        try:
            return [tuple(row) for row in await connection.fetch(statement)]
        finally:
            await connection.close()

    return asyncio.run(fetch())


def test_a_version_goes_from_deploy_to_promote_and_back(run: Run, models: Path) -> None:
    version = register(models, 7)
    assert "champion    the shipped model\n" in run("deployments").output
    deployed = run("deploy", "7", "--share", "10%", "--smallest-difference", "2pp")
    assert deployed.exit_code == 0, deployed.output
    assert f"Version 7 ({version}) gets 10.0% of the installs" in deployed.output
    assert "Its verdict comes after 58,217 installs" in deployed.output
    assert "Planned on what 0 installs did in the last 28 days, too few to know" in deployed.output
    listed = run("deployments").output
    assert f"challenger  version 7 ({version}), 10.0% of the installs" in listed
    assert "not enough yet: 0 of " in listed
    assert "25.0% of the installs" in run("deploy", version, "--share", "0.25").output
    assert f"Version 7 ({version}) is the champion." in run("promote").output
    assert f"champion    version 7 ({version})" in run("deployments").output
    assert run("deployments", "--champion").output == "7\n"
    assert "Champion: the shipped model." in run("rollback", "--why", "people complain").output
    listed = run("deployments").output
    assert "champion    the shipped model\n" in listed
    assert f"ended       version 7 ({version}), champion," in listed
    assert "people complain" in listed
    assert Path(run("deployments", "--champion").output.strip(), "manifest.json").is_file()
    nothing = run("rollback")
    assert (nothing.exit_code, nothing.output) == (1, "Error: nothing is deployed: the shipped model serves.\n")


def test_deployments_as_json_name_the_version_and_share_of_each_role(run: Run, models: Path) -> None:
    def serving() -> Any:
        printed = run("deployments", "--json")
        assert printed.exit_code == 0, printed.output
        return json.loads(printed.stdout)

    version, shadow = register(models, 7), register(models, 8)
    shipped = json.loads(Path(run("deployments", "--champion").stdout.strip(), "manifest.json").read_text())["version"]
    nothing_deployed = {"version": shipped, "number": None, "since": None, "share": 1.0}
    assert serving() == {"champion": nothing_deployed, "challenger": None, "shadow": None, "replicas": []}
    run("deploy", "7", "--share", "10%")
    run("deploy", "8", "--shadow")
    tried = serving()
    assert tried["champion"] == nothing_deployed | {"share": 0.9}
    assert {**tried["challenger"], "since": ""} == {"version": version, "number": 7, "since": "", "share": 0.1}
    assert {**tried["shadow"], "since": ""} == {"version": shadow, "number": 8, "since": "", "share": 0.0}
    assert datetime.now(UTC) - datetime.fromisoformat(tried["challenger"]["since"]) < timedelta(minutes=10)
    run("promote")
    promoted = serving()
    assert (promoted["champion"]["version"], promoted["champion"]["share"]) == (version, 1.0)
    assert promoted["challenger"] is None
    run("rollback")
    assert serving()["champion"] == nothing_deployed
    both = run("deployments", "--json", "--champion")
    assert both.exit_code == 2
    assert "either --champion or --json" in both.output


def test_an_experiment_lasts_four_weeks_at_least_or_as_many_as_are_wished(
    run: Run, models: Path, database_url: str
) -> None:
    register(models, 7)
    soon = datetime.now(UTC) + timedelta(days=16)
    for options, weeks, told in (
        ((), 4, "leaves out each install's first 2 of 4 weeks"),
        (("--min-weeks", "1"), 1, " at the earliest."),
        (("--until", f"{soon:%Y-%m-%d}"), 2, "leaves out each install's first 1 of 2 weeks"),
        (("--min-weeks", "0"), 0, ""),
    ):
        deployed = run("deploy", "7", "--share", "10%", *options)
        assert told in deployed.output
        assert ("at the earliest" in deployed.output) == (weeks > 0)
        assert rows(database_url, "SELECT min_weeks FROM deployment WHERE ended_at IS NULL") == [(weeks,)]
        run("rollback")
    refused = run("deploy", "7", "--share", "10%", "--until", f"{soon:%Y-%m-%d}", "--min-weeks", "3")
    assert refused.exit_code == 2
    assert f"3 weeks are over only after --until {soon:%Y-%m-%d}" in refused.output


def test_each_share_begins_a_phase(run: Run, models: Path, database_url: str) -> None:
    register(models, 7)
    run("deploy", "7", "--share", "10%")
    run("deploy", "7", "--share", "25%")
    assert rows(database_url, "SELECT share FROM phase ORDER BY started_at") == [(0.1,), (0.25,)]
    assert rows(database_url, "SELECT started_at FROM phase ORDER BY started_at LIMIT 1") == rows(
        database_url, "SELECT started_at FROM deployment"
    )


def test_a_version_runs_in_the_shadow_and_is_ended(run: Run, models: Path) -> None:
    register(models, 7)
    assert "runs in the shadow" in run("deploy", "7", "--shadow").output
    assert "against what was posted: no posted draft yet" in run("deployments").output
    assert run("rollback", "--shadow").exit_code == 0
    assert run("promote").exit_code == 1


def test_a_version_that_failed_a_gate_is_refused_and_the_refusal_noted(
    run: Run, models: Path, database_url: str
) -> None:
    version = register(models, 7)
    fail_check(models, 7)
    refused = run("deploy", "7", "--share", "10%")
    assert refused.exit_code == 1
    assert f"version 7 ({version}) must not be deployed" in refused.output
    assert "its check latency was not passed: 40.0 ms, more than 15.0 ms" in refused.output
    assert rows(database_url, "SELECT act, subject FROM audit") == [("refuse to deploy", version)]
    assert rows(database_url, "SELECT 1 FROM deployment") == []


def test_a_file_that_was_changed_after_its_checks_is_refused(run: Run, models: Path, database_url: str) -> None:
    register(models, 7)
    graph = models / "7" / "model.onnx"
    graph.write_bytes(graph.read_bytes()[:-1])
    refused = run("deploy", "7", "--share", "10%")
    assert refused.exit_code == 1
    assert "model.onnx is not the file that manifest.json describes: its sha256 differs" in refused.output
    assert rows(database_url, "SELECT 1 FROM deployment") == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("deploy", "7"), "give either --share 10% or --shadow"),
        (("deploy", "7", "--share", "10%", "--shadow"), "give either --share 10% or --shadow"),
        (("deploy", "7", "--share", "10"), "'10' is not like 10% or 0.1"),
        (("deploy", "7", "--share", "0%"), "is not like 10% or 0.1"),
        (("deploy", "8", "--share", "10%"), "there is no version 8"),
        (("promote",), "there is no challenger to promote"),
        (("rollback",), "nothing is deployed"),
        (("rollback", "--shadow"), "nothing is in the shadow"),
    ],
)
def test_what_cannot_be_done_says_what_to_do(run: Run, models: Path, arguments: tuple[str, ...], told: str) -> None:
    register(models, 7)
    result = run(*arguments)
    assert result.exit_code != 0
    assert told in result.output
    assert "Traceback" not in result.output
