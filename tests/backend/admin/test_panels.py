"""The twins: every panel as JSON and CSV, compared with a recount of the same rows in plain Python."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.rollup_refresh import roll_up_days
from backend.acceptance.value_estimate import Assumptions
from backend.admin.csv_text import neutralise_formula
from backend.admin.panels import TWINS
from backend.admin.twins import FIGURE_PARTS
from backend.postgres.database import Database
from tests.backend.acceptance.recount import Answer, Question, Recount
from tests.backend.acceptance.traffic import (
    KNOWN,
    SITES,
    UNKNOWN,
    VERSIONS,
    Writer,
    first_day,
    mixed_traffic,
    store,
    worked_example,
)
from tests.backend.admin.conftest import NOW, Admin, admin_at

pytestmark = pytest.mark.anyio

TODAY = NOW.date()
ITEM_FIGURES = ("acceptance", "kept", "agreement", "dismissal")


def assert_figure(figure: dict[str, Any], expected: Answer, where: Any) -> None:
    assert (figure["numerator"], figure["denominator"]) == (expected.numerator, expected.denominator), where
    assert (figure["n"], figure["open"]) == (expected.n, expected.open), where
    if expected.value is None:
        assert (figure["value"], figure["low"], figure["high"]) == (None, None, None), where
    else:
        assert figure["value"] == pytest.approx(float(expected.value), abs=1e-6), where
        if figure["low"] is not None:
            assert 0 <= figure["low"] <= figure["value"] <= figure["high"] <= 1, where
    assert (figure["reason"] is None) == (figure["low"] is not None), where
    if figure["writers"] is not None:
        assert figure["writers"] == len(expected.writers or {}), where


async def read_csv(admin: Admin, panel: str, **filters: Any) -> list[dict[str, str]]:
    response = await admin.get(f"/metrics/{panel}.csv", params=filters)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.DictReader(io.StringIO(response.text, newline=""), strict=True))


def flat(row: dict[str, Any]) -> dict[str, str]:
    """Return a row of JSON as CSV writes it."""
    cells: dict[str, str] = {}
    for name, cell in row.items():
        if isinstance(cell, dict):
            for part in FIGURE_PARTS:
                cells[part if name == "result" else f"{name}_{part}"] = written(cell[part])
        else:
            cells[name] = neutralise_formula(written(cell)) if isinstance(cell, str) else written(cell)
    return cells


def written(value: Any) -> str:
    return "" if value is None else str(value)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"kind": "edit"},
        {"site": SITES[2]},
        {"model": VERSIONS[1]},
        {"until": TODAY - timedelta(days=2)},
        {"since": TODAY - timedelta(days=4)},
        {"kind": "demo"},
    ],
    ids=str,
)
@pytest.mark.parametrize("rolled_up", [False, True], ids=["live", "rolled up"])
async def test_json_and_csv_equal_the_recount(
    admin: Admin, engine: AsyncEngine, database: Database, change: dict[str, Any], rolled_up: bool
) -> None:
    rows = mixed_traffic(11, 120, NOW)
    await store(engine, rows)
    if rolled_up:
        assert await roll_up_days(database, lambda: NOW) > 10
    span = {"since": first_day(rows), "until": TODAY} | change
    recount = Recount(rows, Question(**span, now=NOW, vocabulary=KNOWN))
    filters = {name: str(value) for name, value in span.items()}
    found = {panel: await admin.rows(panel, **filters) for panel in TWINS}

    length = span["until"] - span["since"] + timedelta(days=1)
    earlier = Question(
        **span | {"since": span["since"] - length, "until": span["until"] - length}, now=NOW, vocabulary=KNOWN
    )
    before = Recount(rows, earlier)
    for row in found["overview"]:
        now, then = recount.figures()[row["figure"]], before.figures()[row["figure"]]
        assert_figure(row["result"], now, row["figure"])
        assert_figure(row["before"], then, row["figure"])
        if now.value is None or then.value is None:
            assert (row["change"], row["change_low"], row["change_high"]) == (None, None, None)
        else:
            assert row["change"] == pytest.approx(float(now.value - then.value), abs=2e-6)
            if row["change_low"] is not None:
                assert row["change_low"] <= row["change"] <= row["change_high"]
    assert [row["figure"] for row in found["overview"]] == list(recount.figures())

    for panel, key, expected in (
        ("days", "day", {day.isoformat(): row for day, row in recount.by_day().items()}),
        ("models", "model_version", recount.by_model()),
        ("positions", "position", recount.by_position()),
        ("sites", "site", recount.by_site()),
        ("lengths", "characters", recount.by_length()),
        ("calibration", "score_from", recount.by_score()),
        ("tags", "tag", recount.by_tag()),
    ):
        assert {row[key] for row in found[panel]} <= set(expected)
        for row in found[panel]:
            names = {name for name, cell in row.items() if isinstance(cell, dict)}
            assert names >= ({"acceptance", "agreement"} if panel == "calibration" else set(ITEM_FIGURES))
            for name in names:
                assert_figure(row[name], expected[row[key]][name], (panel, row[key], name))
    assert [row["day"] for row in found["days"]] == sorted(day.isoformat() for day in recount.by_day())
    viewed = [row["acceptance"]["n"] for row in found["tags"]]
    assert viewed == sorted(viewed, reverse=True)

    assert {row["tag"]: (row["missed"]["numerator"], row["missed"]["denominator"]) for row in found["missed"]} == {
        tag: (missed, posted) for tag, (missed, posted) in recount.missed().items() if missed
    }
    assert all(row["known"] == ("yes" if row["tag"] in KNOWN else "no") for row in found["missed"])

    books = {(row["group"], row["name"]): row["n"] for row in found["bookkeeping"]}
    received, lost = recount.received_and_lost()
    assert books == {
        ("events", "received"): received,
        ("events", "lost"): lost,
        ("items", "impossible"): recount.impossible(),
        **{("refused", reason): n for reason, n in recount.refused().items()},
        **{("total", name): n for name, n in recount.totals().items()},
    }

    for panel, rows_of_json in found.items():
        assert await read_csv(admin, panel, **filters) == [flat(row) for row in rows_of_json], panel


async def test_the_worked_example_in_json(admin: Admin, engine: AsyncEngine) -> None:
    await store(engine, worked_example(NOW - timedelta(hours=2)))
    response = await admin.get("/metrics/overview.json")
    document = response.json()
    assert document["panel"] == "overview"
    assert document["counted_at"] == "2026-11-20T14:30:00+00:00"
    assert document["filters"] == {
        "since": "2026-10-24",
        "until": "2026-11-20",
        "kind": "ask",
        "site": None,
        "model": None,
    }
    fractions = {
        row["figure"]: f"{row['result']['numerator']}/{row['result']['denominator']}" for row in document["rows"]
    }
    assert fractions == {
        "acceptance": "2/4",
        "kept": "1/4",
        "agreement": "2/4",
        "dismissal": "0/4",
        "help": "1/1",
        "coverage": "1/1",
        "precision": "2/4",
        "recall": "2/3",
        "f1": "4/7",
        "jaccard": "2/5",
        "exact": "0/1",
        "one_found": "1/1",
        "all_found": "0/1",
        "missed": "1/3",
        "unknown": "1/1",
    }
    acceptance = document["rows"][0]["result"]
    assert acceptance == {
        "numerator": 2,
        "denominator": 4,
        "n": 4,
        "value": 0.5,
        "writers": 1,
        "low": None,
        "high": None,
        "reason": "too few writers",
        "open": 0,
    }


async def test_of_nothing_every_figure_is_null_and_every_cell_empty(admin: Admin) -> None:
    for row in await admin.rows("overview"):
        assert row["result"] == {
            "numerator": 0,
            "denominator": 0,
            "n": 0,
            "writers": None if row["figure"] == "unknown" else 0,
            "value": None,
            "low": None,
            "high": None,
            "reason": "not counted by writer" if row["figure"] == "unknown" else "nothing counted",
            "open": 0,
        }
    for row in await read_csv(admin, "overview"):
        assert (row["value"], row["low"], row["high"]) == ("", "", "")
    for panel in TWINS:
        # The header does not depend on there being rows.
        response = await admin.get(f"/metrics/{panel}.csv")
        assert response.text.count("\r\n") == len(await admin.rows(panel)) + 1


# What a spreadsheet skips before a formula, and other forms of its signs.
SKIPPED = ("", " ", "\u00a0", "\u200b", "\u2066", "\u202e", "\ufeff", "\u3164", " \u2066\u2028")
SIGNS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\ufe63", "\u2212", "\u207c")


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@sum", "'@sum"),
        ("\tx", "'\tx"),
        ("\rx", "'\rx"),
        ("c++", "c++"),
        (".net", ".net"),
        ("", ""),
        *((f"{skipped}{sign}1", f"'{skipped}{sign}1") for skipped in SKIPPED for sign in SIGNS),
        ("a=1", "a=1"),
        ("\u2066a", "\u2066a"),
    ],
    ids=ascii,
)
def test_d13_text_that_looks_like_a_formula_is_made_harmless(text: str, written: str) -> None:
    assert neutralise_formula(text) == written


async def test_a_csv_quotes_what_needs_it_and_runs_nothing(admin: Admin, engine: AsyncEngine) -> None:
    tags = [*UNKNOWN, 'a"b', "a,b", "a\r\nb", "\t=x"]
    writer = Writer()
    draft = writer.draft(NOW, posted_at=NOW, posted_tags=tags)
    writer.suggestion(draft, [])
    await store(engine, writer.rows)
    rows = await read_csv(admin, "missed")
    assert {row["tag"] for row in rows} == {neutralise_formula(tag) for tag in tags}
    assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row.values())


async def test_a_csv_is_a_file_with_a_name_of_its_own(admin: Admin) -> None:
    response = await admin.get("/metrics/tags.csv", params={"since": "2026-11-01", "until": "2026-11-02"})
    assert response.headers["content-disposition"] == ('attachment; filename="tagalong-tags-2026-11-01-2026-11-02.csv"')


async def test_a_panel_that_is_not_there_says_which_are(admin: Admin) -> None:
    for path in ("nothing.json", "tags.xml", "tags.html"):
        response = await admin.get(f"/metrics/{path}")
        assert response.status_code == 404
        assert response.headers["content-type"] == "application/problem+json"
        assert all(panel in response.json()["detail"] for panel in TWINS)


async def test_no_vocabulary_says_nothing_about_what_is_known(make_admin: Any, engine: AsyncEngine) -> None:
    await store(engine, worked_example(NOW - timedelta(hours=2)))
    async with make_admin(vocabulary=()) as admin:
        (row,) = await admin.rows("missed")
        assert (row["tag"], row["known"]) == ("join", None)
        assert "No model is loaded" in await admin.page()


async def test_a_band_of_scores_has_its_mean_score(admin: Admin, engine: AsyncEngine) -> None:
    writer = Writer()
    draft = writer.draft(NOW - timedelta(hours=3))
    suggestion = writer.suggestion(draft, ["a", "b", "c", "d"], scores=[1.0, 0.75, 0.71, 0.7])
    for tag in "abcd":
        writer.item(suggestion, tag, NOW - timedelta(hours=2))
    await store(engine, writer.rows)
    rows = await admin.rows("calibration")
    assert [(row["score_from"], row["score_to"], row["mean_score"], row["acceptance"]["n"]) for row in rows] == [
        (0.7, 0.8, pytest.approx(0.72), 3),
        (0.9, 1.0, 1.0, 1),
    ]


async def test_latency_is_shown_for_all_and_by_version(admin: Admin, engine: AsyncEngine) -> None:
    writer = Writer()
    for version, times in ((VERSIONS[0], range(1, 102)), (VERSIONS[1], [500])):
        draft = writer.draft(NOW - timedelta(hours=3), model_version=version)
        for milliseconds in times:
            writer.suggestion(draft, ["a"], latency_ms=milliseconds)
    writer.suggestion(writer.draft(NOW - timedelta(hours=3), kind="edit"), ["a"], latency_ms=10_000)
    await store(engine, writer.rows)
    rows = await admin.rows("latency")
    assert [(row["model_version"], row["n"]) for row in rows] == [(None, 102), (VERSIONS[0], 101), (VERSIONS[1], 1)]
    assert [rows[1][name] for name in ("p50_ms", "p95_ms", "p99_ms")] == pytest.approx([51, 96, 100], rel=0.01)
    assert rows[2]["p99_ms"] == pytest.approx(500, rel=0.01)


async def test_worth_follows_from_its_assumptions(admin: Admin, engine: AsyncEngine) -> None:
    await store(engine, worked_example(NOW - timedelta(hours=2)))
    found = {row["name"]: row["value"] for row in await admin.rows("worth")}
    assert (found["helped_drafts"], found["clicked_tags"], found["saved_seconds"]) == (1, 2, 8)
    # Half a millisecond an answer: half a second of a core for a thousand.
    assert found["cost_of_a_thousand"] == pytest.approx(0.5 / 3600 * 0.04, rel=0.01)


async def test_tags_are_searched_and_put_in_order(admin: Admin, engine: AsyncEngine) -> None:
    writer = Writer()
    # Seen, accepted, dismissed.
    for tag, seen, accepted, dismissed in (("go", 40, 10, 0), ("c++", 30, 20, 5), ("c", 50, 5, 20), ("rare", 3, 3, 3)):
        for number in range(seen):
            suggestion = writer.suggestion(writer.draft(NOW - timedelta(hours=3)), [tag])
            when = NOW - timedelta(hours=2)
            writer.item(
                suggestion,
                tag,
                when,
                accepted_at=when if number < accepted else None,
                dismissed_at=when if accepted <= number < accepted + dismissed else None,
            )
    await store(engine, writer.rows)

    async def order(**asked: str) -> list[str]:
        rows = [row["tag"] for row in await admin.rows("tags", **asked)]
        assert [row["tag"] for row in await read_csv(admin, "tags", **asked)] == rows
        return rows

    assert await order() == ["c", "go", "c++", "rare"]
    assert await order(sort="best") == ["c++", "go", "c", "rare"]
    assert await order(sort="worst") == ["c", "go", "c++", "rare"]
    assert await order(sort="dismissed") == ["c", "c++", "go", "rare"]
    assert await order(sort="best", tag="C") == ["c++", "c"]


async def test_what_the_estimate_assumes_is_a_setting(database_url: str, engine: AsyncEngine) -> None:
    await store(engine, worked_example(NOW - timedelta(days=1)))
    async with admin_at(database_url, assumptions=Assumptions(seconds_per_tag=30.0, price_per_core_hour=2.0)) as admin:
        values = {row["name"]: row["value"] for row in await admin.rows("worth")}
        assert values["saved_seconds"] == 30.0 * values["clicked_tags"] > 0
        assert values["cost_of_a_thousand"] == pytest.approx(0.5 / 3_600_000 * 2.0 * 1000, rel=0.02)
        assert "assuming 30 s for each tag" in await admin.page()
