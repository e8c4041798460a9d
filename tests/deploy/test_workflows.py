"""GitHub's workflows name what the project has: its commands, its locks and its folders."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.end_to_end.process import ROOT

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# What Dependabot looks for in a folder, by ecosystem.
MANIFESTS = {
    "github-actions": ".github/workflows",
    "docker": "Dockerfile",
    "docker-compose": "docker-compose.yml",
    "npm": "package-lock.json",
}


def steps(path: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(path.read_text())["jobs"]
    return [step for job in jobs.values() for step in job["steps"]]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_each_step_runs_a_command_of_the_project(path: Path) -> None:
    commands = [step["run"].split() for step in steps(path) if "run" in step]
    assert commands
    for program, *arguments in commands:
        if program == "make":
            assert set(arguments) <= TARGETS, arguments
        else:
            assert (ROOT / program).stat().st_mode & 0o100, program


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_may_only_read_and_ends_by_itself(path: Path) -> None:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    assert all(job["timeout-minutes"] <= 120 for job in workflow["jobs"].values())
    for action in (step["uses"] for step in steps(path) if "uses" in step):
        assert re.search(r"@v\d+$", action), action


def test_dependabot_looks_where_something_is() -> None:
    updates = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text())["updates"]
    assert {update["package-ecosystem"] for update in updates} == set(MANIFESTS)
    for update in updates:
        folder = ROOT / update["directory"].removeprefix("/")
        assert (folder / MANIFESTS[update["package-ecosystem"]]).exists(), update


def test_the_audit_reads_every_lock_that_an_image_installs() -> None:
    installed = set(re.findall(r"--require-hashes -r (\S+)", (ROOT / "Dockerfile").read_text()))
    recipe = re.search(r"^\tuvx pip-audit (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    assert set(re.findall(r"-r (\S+)", recipe[1])) == installed
