"""Drift, from what came in to the admin's page: the export has figures only, and what was found is shown as found."""

import asyncio
import csv
import io
import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from backend.cli import main as server
from backend.drift.export import export_lines
from backend.drift.findings import Findings
from backend.drift.service import newest_findings, save_findings
from model.cli import main as model
from model.commands.terminal import RELEASED
from model.drift.findings import find_drift
from model.drift.reference import reference_of_drafts
from model.drift.summary import summarise
from model.drift.traffic import parse_export
from model.serving.classifier import read_manifest
from tests.backend.admin.conftest import HTML, NOW, admin_at
from tests.backend.service import DEMO_WEEK, Service, a_draft, an_event
from tests.model.drift.generated import USUAL, VERSION, World, lines, traffic

TODAY = datetime.now(UTC).date()
SECRET = "Xyzzyplugh"


async def exported(service: Service, since: date = TODAY, kind: str = "ask") -> list[dict[str, Any]]:
    known = service.app.state.router.models.champion.tags
    async with service.database.session() as session:
        return [json.loads(line) async for line in export_lines(session, since, TODAY, kind, known)]


def suggestions(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [row for row in rows if row["what"] == "suggestion"]


@pytest.mark.anyio
async def test_an_export_says_what_came_in(service: Service) -> None:
    draft = a_draft(title="Merge two frames", body="x" * 300, chosen_tags=[])
    tags = ["python", "pandas", "merge"]
    await service.offer(draft, tags[:2], confident=1)
    await service.offer(draft | {"title": "Merge two pandas frames"}, tags, confident=2)
    await service.offer(draft | {"chosen_tags": ["python"]}, ["numpy"], confident=1)
    posted = an_event("posted", 1, draft, tags=["python", "merge", "never-heard-of"], site=draft["site"], question_id=7)
    await service.send(draft["install_id"], [posted])
    await service.offer(a_draft(title="Another", body="", page=None), [], confident=0)

    first, day, *_ = rows = await exported(service)
    assert {name: first[name] for name in ("what", "format", "since", "until", "kind")} == {
        "what": "export",
        "format": 1,
        "since": TODAY.isoformat(),
        "until": TODAY.isoformat(),
        "kind": "ask",
    }
    assert (day["what"], day["recorded"], day["events"], day["refused"]) == ("day", 4, 1, 0)
    given = {(row["title_chars"], row["chosen"]): row for row in suggestions(rows)}
    assert len(given) == 4
    # The last one while nothing was chosen.
    assert [key for key, row in given.items() if row["judged"]] in ([(7, 0), (23, 0)], [(23, 0), (7, 0)])
    judged = given[23, 0]
    assert judged == {
        "what": "suggestion",
        "day": TODAY.isoformat(),
        "judged": True,
        "site": "stackoverflow.com",
        "page": "classic",
        "model_version": "light-test",
        "title_chars": 23,
        "body_chars": 300,
        "chosen": 0,
        "tags": tags,
        "scores": [0.9, 0.89, 0.88],
        "confident": 2,
        "posted": 3,
        "right": [True, False, True],
        "unknown": 1,
    }
    assert given[16, 1]["right"] == [False]
    assert (given[7, 0]["posted"], given[7, 0]["right"], given[7, 0]["unknown"]) == (None, None, None)
    # And the model's side reads it.
    came = parse_export([json.dumps(row) for row in rows], "export")
    assert [each.recorded for each in came.days] == [4]
    assert sorted(each.title_chars for each in came.drafts) == [7, 23]


@pytest.mark.anyio
async def test_an_export_names_nobody_and_holds_no_text(service: Service) -> None:
    draft = a_draft(title=f"{SECRET} in the title", body=f"{SECRET} in the body")
    await service.suggest(**draft)
    posted = an_event("posted", 1, draft, tags=["python", "obscure-tag"], site=draft["site"], question_id=987654)
    await service.send(draft["install_id"], [posted])
    written = json.dumps(await exported(service))
    for secret in (SECRET, draft["draft_id"], draft["install_id"], posted["id"], "987654", "obscure-tag"):
        assert secret not in written


@pytest.mark.anyio
async def test_kinds_and_days_are_kept_apart(service: Service) -> None:
    for kind in ("demo", "edit", "ask"):
        draft = a_draft(kind=kind)
        await service.offer(draft, ["python"])
        posted = [an_event("posted", 1, draft, tags=["python"], site=draft["site"], question_id=None)]
        unknown = [an_event("viewed", 2, draft, suggestion_id=str(uuid4()), tag="x", position=1)]
        await service.send(draft["install_id"], posted + unknown)
    for kind, n in (("ask", 2), ("edit", 2), ("demo", 1)):
        day = (await exported(service, kind=kind))[1]
        assert (day["recorded"], day["events"], day["refused"]) == (n, n, n), "demo traffic is counted by itself"
    assert len(suggestions(await exported(service))) == 1
    assert len(suggestions(await exported(service, kind="demo"))) == 1
    async with service.database.session() as session:
        await session.execute(text("UPDATE draft SET started_at = started_at - interval '2 days'"))
    rows = await exported(service, since=TODAY - timedelta(days=3))
    assert [row["recorded"] for row in rows if row["what"] == "day"] == [0, 2, 0, 0]
    rows = await exported(service, since=TODAY - timedelta(days=3), kind="demo")
    assert [row["recorded"] for row in rows if row["what"] == "day"] == [0, 1, 0, 0]


@pytest.mark.anyio
async def test_bad_input_is_counted_by_day(service: Service) -> None:
    for _ in range(3):
        await service.client.post("/api/v1/suggestions", json={"title": 7})
    await service.client.post("/api/v1/events", content=b"{", headers={"Content-Type": "application/json"})
    await service.client.post("/api/v1/suggestions", json=a_draft(site="unknown.example"))
    await service.send(
        str(uuid4()), [an_event("viewed", 1, a_draft(), suggestion_id=str(uuid4()), tag="x", position=1)]
    )
    await service.app.state.totals.flush()
    day = (await exported(service))[1]
    assert (day["malformed"], day["unknown_site"], day["refused"]) == (4, 1, 1)


def invoke(command: Any, url: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(command, list(map(str, arguments)), env={"TAGALONG_DATABASE_URL": url})


def test_from_export_to_import_by_the_commands(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGALONG_MODEL_TIER", "light")
    done = invoke(server, database_url, *DEMO_WEEK, "--drafts", "40")
    assert done.exit_code == 0, done.output
    export, mine, found = tmp_path / "came.jsonl.gz", tmp_path / "reference.json", tmp_path / "found.json"
    done = invoke(server, database_url, "export", export, "--kind", "demo")
    assert done.exit_code == 0, done.output
    light: list[str | Path] = ["--model", "model/released/light", "--export", export, "--reference", mine]
    assert invoke(model, "", "drift", "--make-reference", *light).exit_code == 0
    done = invoke(model, "", "drift", *light, "--json", found)
    assert done.exit_code == 0, done.output
    figures = json.loads(found.read_text())
    assert figures["drafts"] > 200
    assert figures["found"] == []
    done = invoke(server, database_url, "drift-import", found)
    assert done.exit_code == 0, done.output
    assert "no drift" in done.output

    async def kept() -> list[Any]:
        engine = create_async_engine(database_url)
        async with engine.connect() as connection:
            acts = [row[0] for row in await connection.execute(text("SELECT act FROM audit ORDER BY id"))]
            imports = await connection.scalar(text("SELECT count(*) FROM drift"))
        await engine.dispose()
        return [acts, imports]

    assert asyncio.run(kept()) == [["write demo", "export", "import drift"], 1]
    # The same days again take the place of the first.
    assert invoke(server, database_url, "drift-import", found).exit_code == 0
    assert asyncio.run(kept())[1] == 1


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"format": 2}', "not json", '{"format": 1, "since": "2026-10-01", "found": ["earthquake"]}'],
)
def test_a_file_that_is_no_finding_is_refused(database_url: str, tmp_path: Path, content: str) -> None:
    file = tmp_path / "found.json"
    file.write_text(content)
    done = invoke(server, database_url, "drift-import", file)
    assert done.exit_code == 1
    assert "tagalong-model drift --json" in done.output
    assert "Traceback" not in done.output


def test_a_finding_of_days_to_come_is_refused(database_url: str, tmp_path: Path) -> None:
    found = find_drift(traffic(seed=3), reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated"))
    file = tmp_path / "found.json"
    for since, until, exit_code in (
        (TODAY, TODAY, 0),
        (TODAY, TODAY + timedelta(days=2), 1),
        (TODAY, TODAY - timedelta(days=1), 1),
    ):
        file.write_text(json.dumps(found | {"since": str(since), "until": str(until)}))
        done = invoke(server, database_url, "drift-import", file)
        assert done.exit_code == exit_code, done.output
        assert "Traceback" not in done.output


@pytest.mark.anyio
async def test_page_and_twins_show_what_was_found(database_url: str) -> None:
    markup = "<script>alert(1)</script>"
    reference = reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, markup)
    odd = parse_export(lines(USUAL, 3), "usual")
    found = find_drift(odd, reference)
    async with admin_at(database_url) as admin:
        assert "Nothing imported yet" in await admin.page()
        assert await admin.rows("drift") == []
        await import_findings(database_url, found)
        page = await admin.page()
        assert "no drift" in page
        assert "it ended 37 days ago and says nothing of today" in page
        assert "<script" not in page
        later = traffic(seed=3, relation=lambda score: 0.7 * score, bad_day=(("unrecorded", 60),))
        worse = find_drift(later, reference) | {"until": "2026-11-10"}
        await import_findings(database_url, worse)
        page = await admin.page()
        assert "<strong>outage, concept</strong>" in page
        assert "says nothing of today" not in page
        assert "left out" in page
        rows = {(row["kind"], row["name"]): row for row in await admin.rows("drift")}
        shift = rows["concept", "shift"]
        assert (shift["value"], shift["noise"]) == (worse["relation"]["shift"], worse["relation"]["noise"])
        assert (shift["n"], shift["drifted"], shift["until"]) == (worse["relation"]["n"], "yes", "2026-11-10")
        for column in worse["columns"]:
            row = rows["data", f"{column['column']} psi"]
            assert (row["value"], row["noise"], row["drifted"]) == (column["psi"], column["psi_noise"], "no")
        change = rows["model", "change"]
        assert {name: change[name] for name in ("value", "low", "high")} == worse["performance"]["change"]
        assert ("outage", "2026-10-07") in rows
        # A view of another kind shows that kind's, where there is one.
        await import_findings(database_url, found | {"kind": "demo", "until": "2026-11-12"})
        assert {row["drafts"] for row in await admin.rows("drift")} == {"ask"}
        assert {row["drafts"] for row in await admin.rows("drift", kind="demo")} == {"demo"}
        assert "(demo traffic) that" in await admin.page(kind="demo")
        twin = await admin.get("/metrics/drift.csv", headers=HTML)
        table = list(csv.DictReader(io.StringIO(twin.text, newline=""), strict=True))
        assert [row["name"] for row in table] == [row["name"] for row in await admin.rows("drift")]


@pytest.mark.parametrize(
    ("world", "version", "says"),
    [
        (USUAL, "another", "nothing to judge: 1,680 drafts of other versions left out"),
        (replace(USUAL, drafts=0), VERSION, "nothing to judge: no drafts came in"),
        (replace(USUAL, drafts=2), VERSION, "too few to judge: 28 drafts"),
        (replace(USUAL, days=7, bad_day=(("unrecorded", 60),)), "another", "outage; nothing to judge: 840 drafts"),
        (USUAL, VERSION, "no drift"),
    ],
)
@pytest.mark.anyio
async def test_e17_command_import_and_page_say_the_same(
    database_url: str, world: World, version: str, says: str
) -> None:
    reference = reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated")
    came = parse_export([line.replace(VERSION, version) for line in lines(world, 3)], "generated")
    found = find_drift(came, reference)
    imported = Findings.model_validate_json(json.dumps(found))
    assert imported.verdict == summarise(found)
    assert imported.verdict.startswith(says)
    async with admin_at(database_url) as admin:
        await import_findings(database_url, found)
        page = await admin.page()
        assert imported.verdict in page
        assert ("no drift" in page) == (says == "no drift")
        assert ("Drift of what comes in" in page) == bool(found["drafts"])
        kinds = {row["kind"] for row in await admin.rows("drift")}
        assert ("data" in kinds) == bool(found["drafts"])


def test_e17_what_was_imported_before_this_says_it_too() -> None:
    came = parse_export([line.replace(VERSION, "another") for line in lines(USUAL, 3)], "generated")
    found = find_drift(came, reference_of_drafts(traffic(seed=99, days=30).drafts, VERSION, "generated"))
    del found["other_versions"]
    says = "nothing to judge: 1,680 drafts of other versions left out"
    assert Findings.model_validate_json(json.dumps(found)).verdict == says


def test_e17_an_export_names_the_version_that_serves(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGALONG_MODEL_TIER", "light")
    assert invoke(server, database_url, "export", tmp_path / "came.jsonl").exit_code == 0
    head = json.loads((tmp_path / "came.jsonl").read_text().splitlines()[0])
    assert head["serving"] == read_manifest(RELEASED / "light")["version"]
    done = invoke(model, "", "drift", "--export", tmp_path / "came.jsonl", "--json", tmp_path / "found.json")
    assert done.exit_code == 1
    assert "nothing to judge: no drafts came in" in done.output
    done = invoke(server, database_url, "drift-import", tmp_path / "found.json")
    assert "nothing to judge: no drafts came in" in done.output
    assert "no drift" not in done.output


async def import_findings(database_url: str, found: dict[str, Any]) -> None:
    engine = create_async_engine(database_url)
    async with AsyncSession(engine) as session:
        await save_findings(session, Findings.model_validate_json(json.dumps(found)), NOW)
        await session.commit()
        kept = await newest_findings(session)
    await engine.dispose()
    assert kept is not None
    assert kept.until.isoformat() == found["until"]
