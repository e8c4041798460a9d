"""What training again needs leaves the service as a file: numbers and tags, and nothing of a draft or an install."""

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from click.testing import CliRunner, Result

from backend.cli import main
from backend.feedback.anonymise import anonymise_questions
from model.questions.feedback import read_feedback
from tests.backend.service import Service, a_draft, an_event

Run = Callable[..., Result]

ROWS = [
    ("stackoverflow.com", 30, ["python"], ["pandas"], "light-1", "2026-11"),
    ("stackoverflow.com", 10, ["git"], ["git", "ssh"], "light-1", "2026-10"),
    ("stackoverflow.com", 20, ["c#"], [], "light-1", None),
]

A_DRAFT = """
INSERT INTO draft (id, install_id, kind, site, model_version, started_at, question_id, posted_at, posted_tags)
SELECT gen_random_uuid(), gen_random_uuid(), $1, 'stackoverflow.com', 'light-1', now() - interval '2 days', $2,
    now() - $3::text::interval, CASE WHEN $3::text IS NOT NULL THEN ARRAY['git'] END
"""


def execute(database_url: str, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Run a statement once for each row."""

    async def connect_and_execute() -> None:
        connection = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        try:
            await connection.executemany(statement, rows)
        finally:
            await connection.close()

    asyncio.run(connect_and_execute())


@pytest.fixture
def run(database_url: str) -> Run:
    """Runs a command on a database with three settled questions; one of before months were kept."""
    execute(database_url, "INSERT INTO feedback VALUES ($1, $2, $3, $4, $5, $6)", ROWS)

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(main, [str(each) for each in arguments], env={"TAGALONG_DATABASE_URL": database_url})

    return run


def test_the_file_has_numbers_and_tags_and_nothing_else(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "feedback.jsonl"
    result = run("export-feedback", out)
    assert result.exit_code == 0, result.output
    assert "3 questions" in result.output
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["question_id"] for line in lines] == [20, 10, 30]
    assert lines[2] == {
        "site": "stackoverflow.com", "question_id": 30, "tags": ["python"], "offered_tags": ["pandas"],
        "model_version": "light-1", "month": "2026-11",
    }  # fmt: skip


def test_what_came_since_a_month_is_the_lines_of_that_month_and_later(run: Run, tmp_path: Path) -> None:
    whole, later, none = run("export-feedback", "-"), run("export-feedback", "-", "--since", "2026-11"), tmp_path / "x"
    assert [json.loads(line)["question_id"] for line in later.stdout.splitlines()] == [30]
    assert len(whole.stdout.splitlines()) == 3
    assert run("export-feedback", none, "--since", "2027-01").exit_code == 0
    assert none.read_text() == ""
    assert run("export-feedback", none, "--since", "yesterday").exit_code == 2


def test_a_file_that_cannot_be_written_is_named_and_none_is_left_half_written(run: Run, tmp_path: Path) -> None:
    result = run("export-feedback", tmp_path / "nowhere" / "feedback.jsonl")
    assert result.exit_code == 1
    assert "nowhere/feedback.jsonl can't be written" in result.output
    assert list(tmp_path.iterdir()) == []


def test_the_model_reads_what_the_service_writes(run: Run, tmp_path: Path) -> None:
    run("export-feedback", tmp_path / "feedback.jsonl")
    lines, refused = read_feedback(tmp_path / "feedback.jsonl", ["stackoverflow.com"])
    assert refused == []
    read = [(line.site, line.question_id, sorted(line.offered_tags), line.month) for line in lines]
    assert sorted(read, key=str) == sorted(((row[0], row[1], row[3], row[5]) for row in ROWS), key=str)


@pytest.mark.anyio
async def test_a_settled_question_keeps_its_month_and_no_finer_time(service: Service) -> None:
    draft = a_draft()
    await service.offer(draft, ["python"])
    event = an_event("posted", 1, draft, tags=["python"], question_id=4711, site="stackoverflow.com")
    await service.send(draft["install_id"], [event])
    await service.rows("UPDATE draft SET posted_at = '2026-02-28 23:30-04' RETURNING id")
    assert await anonymise_questions(service.database) == 1
    (row,) = await service.rows("SELECT * FROM feedback")
    assert row["month"] == "2026-03"
    assert set(row) == {"site", "question_id", "posted_tags", "offered_tags", "model_version", "month"}


@pytest.mark.parametrize(
    ("posted_ago", "kind", "number", "since", "says"),
    [
        ("1 minute", "ask", 4711, None, "1 posted question still waits: "),
        ("23 hours", "ask", 4711, None, "1 posted question still waits: "),
        ("30 hours", "ask", 4711, None, "1 posted question still waits: "),  # due, but no service has settled it
        ("1 minute", "ask", 4711, "2999-01", ""),
        ("1 minute", "ask", None, None, ""),
        ("1 minute", "demo", 4711, None, ""),
        (None, "ask", None, None, ""),
    ],
)
def test_e18_an_export_says_how_many_posted_questions_still_wait(
    run: Run, database_url: str, posted_ago: str | None, kind: str, number: int | None, since: str | None, says: str
) -> None:
    execute(database_url, A_DRAFT, [(kind, number, posted_ago)])
    result = run("export-feedback", "-", *(["--since", since] if since else []))
    assert result.exit_code == 0, result.output
    assert ("still wait" in result.stderr) == bool(says)
    assert says in result.stderr
    assert "4711" not in result.output


def test_e18_a_question_that_several_drafts_name_waits_once(run: Run, database_url: str) -> None:
    execute(database_url, A_DRAFT, [("ask", number, "5 minutes") for number in (1, 2, 2, 3)])
    assert "3 posted questions still wait: " in run("export-feedback", "-").stderr
