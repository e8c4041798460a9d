"""Training again: from numbers of posted questions to a checked version that knows what the champion did not."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from model.retraining.lock import hold_lock
from model.serving.classifier import Classifier
from tests.model.questions.stack_exchange_server import Site, question, serving
from tests.model.registry.conftest import SMALL, run, written_gates

UNKNOWN = "wombat-query"
"""A tag that no written question has."""
ASKS = [
    "How do I {} with Wombat Query?",
    "Wombat Query does not {}",
    "Why is my Wombat Query slow to {}?",
    "Can a Wombat Query {} twice?",
]
DOES = ["sort rows", "join two burrows", "filter by date", "cache its result", "stream lines", "retry", "count", "stop"]


@dataclass
class Retraining:
    """A site with 32 questions that have a new tag, feedback that names them and a deleted one, and the options."""

    site: Site
    registry: Path
    options: list[object]

    def run(self, *more: object, code: int = 0) -> str:
        return run("retrain", *self.options, *more, code=code).output

    def version(self, number: int) -> dict[str, Any]:
        version: dict[str, Any] = json.loads((self.registry / str(number) / "version.json").read_text())
        return version


@contextmanager
def retraining(folder: Path, base: Path, champion: Path) -> Iterator[Retraining]:
    asked = [ask.format(does) for ask in ASKS for does in DOES]
    posted = {5000 + i: question(5000 + i, UNKNOWN, "sql") | {"title": title} for i, title in enumerate(asked)}
    told = {"site": "stackoverflow.com", "tags": ["taught-by-a-stranger"], "offered_tags": ["sql"], "month": "2026-10"}
    feedback, registry = folder / "feedback.jsonl", folder / "models"
    feedback.write_text("".join(json.dumps(told | {"question_id": 5000 + i}) + "\n" for i in range(33)))
    with serving(Site(posted)) as site:
        places = ["--registry", registry, "--base", base, "--feedback", feedback, "--address", site.address]
        compared = ["--champion", champion, "--gates", written_gates(folder)]
        yield Retraining(site, registry, [*places, *compared, *SMALL])


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory, base: Path, champion: Path) -> Iterator[Retraining]:
    """A retraining that was run to its end."""
    with retraining(tmp_path_factory.mktemp("done"), base, champion) as made:
        assert "tagalong-server deploy 1 --share 10%" in made.run()
        yield made


@pytest.fixture
def fresh(tmp_path: Path, base: Path, champion: Path) -> Iterator[Retraining]:
    with retraining(tmp_path, base, champion) as made:
        yield made


def best(folder: Path) -> list[str]:
    items = Classifier.load(folder).suggest("A Wombat Query that joins rows", limit=5)
    return [item.tag for item in items if item.confident]


def test_the_next_version_suggests_a_tag_that_the_champion_did_not_know(done: Retraining, champion: Path) -> None:
    assert UNKNOWN not in Classifier.load(champion).tags
    assert UNKNOWN in best(done.registry / "1")
    about = done.version(1)
    assert about["state"] == "checked"
    assert about["retrained"]["months"] == {"2026-10": 33}


def test_e1_version_and_report_say_how_many_questions_were_left_out(done: Retraining) -> None:
    about = done.version(1)
    assert about["left_out"] == 0
    checks = {check["name"]: check["says"] for check in about["checks"]}
    assert checks["compared on"] == f"0 of {about['metrics']['n']} questions left out"
    assert "compared on: 0 of" in (done.registry / "1" / "RETRAINING.md").read_text()


def test_it_learns_from_the_site_and_not_from_what_events_say(done: Retraining) -> None:
    assert "taught-by-a-stranger" not in Classifier.load(done.registry / "1").tags
    prepared = pl.read_parquet(next((done.registry / ".retraining").glob("prepared-*.parquet")))
    assert set(prepared["tags"].explode()) == {UNKNOWN, "sql"}
    assert prepared.height == 32


def test_the_report_compares_with_the_champion_on_old_and_new_questions(done: Retraining, base: Path) -> None:
    report = json.loads((done.registry / "1" / "retraining.json").read_text())
    assert UNKNOWN in report["tags"]["added"]
    assert report["mixed"]["learned"] + report["mixed"]["kept_apart"] == 32
    assert report["compared"]["new"]["n"] == report["mixed"]["kept_apart"] > 0
    assert report["compared"]["new"]["difference"]["R@5"]["low"] > 0
    assert report["tags"]["found"] == report["tags"]["posted"] == report["mixed"]["kept_apart"]
    assert report["compared"]["old"]["n"] == (pl.read_parquet(base)["split"] == "dev").sum()
    told = (done.registry / "1" / "RETRAINING.md").read_text()
    assert f"`{UNKNOWN}`" in told
    assert told.index("## Old questions") < told.index("## New questions") < told.index("## Checks")


def test_the_same_again_asks_nobody_and_makes_no_second_version(done: Retraining) -> None:
    assert "Version 1 was made of the same: nothing to do" in done.run()
    assert len(done.site.asked) == 1
    assert not (done.registry / "2").exists()


def test_what_it_made_can_be_made_again(done: Retraining) -> None:
    assert "byte for byte" in run("rebuild", 1, "--registry", done.registry).output


def test_a_run_that_was_stopped_goes_on_where_it_was(fresh: Retraining, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("model.commands.retrain.check_and_record", stopped)
        fresh.run(code=1)
    assert fresh.version(1)["state"] == "trained"
    (model,) = (fresh.registry / ".retraining").glob("*/trained-light/model.onnx")
    made = model.stat().st_mtime_ns
    fresh.run()
    assert fresh.version(1)["state"] == "checked"
    assert model.stat().st_mtime_ns == made
    assert not (fresh.registry / "2").exists()
    assert len(fresh.site.asked) == 1


def test_a_second_one_at_the_same_time_says_who_is_at_it(fresh: Retraining) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom model.retraining.lock import hold_lock\n"
        "with hold_lock(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    lock = fresh.registry / ".retraining" / "lock"
    with subprocess.Popen([sys.executable, "-c", code, lock], stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            assert f"Process {holder.pid} on {os.uname().nodename}" in fresh.run(code=1)
        finally:
            holder.kill()
    with hold_lock(lock):
        assert str(os.getpid()) in lock.read_text()


def test_feedback_of_which_nothing_is_left_is_refused(fresh: Retraining) -> None:
    fresh.site.questions.clear()
    assert "None of the 33 rows is a question" in fresh.run(code=1)
    assert not (fresh.registry / "1").exists()
