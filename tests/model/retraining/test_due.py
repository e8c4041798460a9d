"""Training again is due for a reason that is named, and cron can tell by the exit code."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from model.drift.findings import find_drift
from model.drift.reference import REFERENCE_FILE
from model.drift.reference import read_reference as read_reference
from model.drift.traffic import JudgedDraft, Traffic
from tests.model.registry.conftest import run


@pytest.fixture
def trained_at(registry: Path) -> Any:
    """Puts a version into the registry, trained so many days ago, on posted questions by month."""

    def put(number: int, days: float, months: dict[str, int] | None = None) -> None:
        about = {
            "format": 1, "number": number, "version": "light-00000000", "state": "refused", "checks": [],
            "trained_at": (datetime.now(UTC) - timedelta(days=days)).isoformat(),
        } | ({"retrained": {"months": months}} if months else {})  # fmt: skip
        (registry / str(number)).mkdir(parents=True)
        (registry / str(number) / "version.json").write_text(json.dumps(about))

    return put


def metrics(tmp_path: Path, change: float | None, high: float | None) -> Path:
    rows = [{"figure": "help", "change": -1, "change_high": -1}]
    rows.append({"figure": "acceptance", "change": change, "change_high": high})
    path = tmp_path / "overview.json"
    path.write_text(json.dumps({"panel": "overview", "rows": rows}))
    return path


def test_the_first_training_is_due_and_then_by_age(registry: Path, trained_at: Any) -> None:
    assert "no version was trained here yet" in run("due", "--registry", registry).output
    trained_at(1, 40)
    assert "Due: schedule" in run("due", "--registry", registry).output
    trained_at(2, 10)
    assert "trained 10 days ago, due after 30" in run("due", "--registry", registry, code=1).output
    assert "Due: schedule" in run("due", "--registry", registry, "--days", 10).output


@pytest.mark.parametrize(
    ("change", "high", "is_due"),
    [(-0.05, -0.01, True), (-0.05, 0.01, False), (-0.01, -0.005, False), (0.05, 0.07, False), (None, None, False)],
)
def test_an_acceptance_that_surely_fell_is_a_reason(
    registry: Path, trained_at: Any, tmp_path: Path, change: float | None, high: float | None, is_due: bool
) -> None:
    trained_at(1, 10)
    told = run("due", "--registry", registry, "--metrics", metrics(tmp_path, change, high), code=0 if is_due else 1)
    assert ("Due: acceptance" in told.output) == is_due


def test_drift_is_a_reason_and_bad_days_are_none(
    registry: Path, trained_at: Any, champion: Path, tmp_path: Path
) -> None:
    trained_at(1, 10)
    reference = read_reference(champion / REFERENCE_FILE)
    draft = JudgedDraft("2026-10-01", reference.model_version, 40, 500, 0, ("git",), (0.9,), 1, 1, (True,), 0)
    found = find_drift(Traffic("ask", "2026-10-01", "2026-11-01", (), (draft,)), reference)
    path = tmp_path / "drift.json"
    path.write_text(json.dumps(found))
    run("due", "--registry", registry, "--drift", path, code=1)
    path.write_text(json.dumps(found | {"found": ["outage", "bad_input"]}))
    run("due", "--registry", registry, "--drift", path, code=1)
    found["columns"][0]["drifted"] = True
    path.write_text(json.dumps(found | {"found": ["data"]}))
    result = run("due", "--registry", registry, "--drift", path)
    assert "Due: drift" in result.output
    assert f"data: {found['columns'][0]['column']} (PSI" in result.output


def test_enough_posted_questions_that_no_version_was_trained_on_are_a_reason(
    registry: Path, trained_at: Any, tmp_path: Path
) -> None:
    trained_at(1, 10, {"2026-09": 5, "2026-10": 2})
    lines = [
        {"site": "stackoverflow.com", "question_id": n, "month": "2026-09" if n < 5 else "2026-10"}
        for n in range(1, 11)
    ]
    path = tmp_path / "feedback.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *lines]))
    (tmp_path / "empty.jsonl").touch()
    none = run("due", "--registry", registry, "--feedback", tmp_path / "empty.jsonl", code=1)
    assert "0 posted questions are new" in none.output
    few = run("due", "--registry", registry, "--feedback", path, "--new", 5, code=1)
    assert "4 posted questions are new" in few.output
    assert "Due: feedback" in run("due", "--registry", registry, "--feedback", path, "--new", 4).output


def test_lines_that_are_no_feedback_are_told_and_a_file_of_them_alone_is_an_error(
    registry: Path, trained_at: Any, tmp_path: Path
) -> None:
    trained_at(1, 10)
    path = tmp_path / "feedback.jsonl"
    path.write_text('{"site": "askubuntu.com", "question_id": 7}\n')
    wrong = run("due", "--registry", registry, "--feedback", path, code=2)
    assert "feedback.jsonl, line 1: its site is none of stackoverflow.com" in wrong.output
    assert "Due: feedback" in run("due", "--registry", registry, "--feedback", path, "--new", 1,
                                  "--site", "askubuntu.com").output  # fmt: skip
    path.write_text(path.read_text() + '{"site": "stackoverflow.com", "question_id": 8}\n')
    some = run("due", "--registry", registry, "--feedback", path, "--new", 1)
    assert "1 lines of" in some.output
    assert "Due: feedback" in some.output


def test_nothing_is_due_again_within_days_of_a_training(registry: Path, trained_at: Any, tmp_path: Path) -> None:
    trained_at(1, 1)
    fell = metrics(tmp_path, -0.5, -0.4)
    rested = run("due", "--registry", registry, "--metrics", fell, code=1)
    assert "the last training is less than 3 days ago" in rested.output
    assert "Due: acceptance" in run("due", "--registry", registry, "--metrics", fell, "--rest", 0).output


@pytest.mark.parametrize("content", ["", "[]", '{"rows": [{}]}', '{"rows": 3}'])
def test_a_file_that_cannot_be_read_is_an_error_and_no_answer(registry: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "overview.json"
    path.write_text(content)
    assert "Error: " in run("due", "--registry", registry, "--metrics", path, code=2).output
