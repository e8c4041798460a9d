"""The weekly file of the worst tags: as a download for the admin, and by the command."""

import csv
import io
import random
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.clusters import clustered_interval
from backend.acceptance.figures import Counts
from backend.acceptance.filters import Filters
from backend.acceptance.worst_tags import MAX_TAGS, find_tags_standing_out, list_worst_tags
from backend.acceptance.writers import Writers
from backend.cli import main
from backend.commands.worst import to_markdown
from tests.backend.acceptance.made_writers import counts_of
from tests.backend.acceptance.traffic import Writer, store
from tests.backend.admin.conftest import NOW, Admin
from tests.backend.service import DEMO_WEEK

pytestmark = pytest.mark.anyio


def test_each_kind_has_its_worst_first() -> None:
    tags = {
        "once": Counts(viewed=1, dismissed=1),
        "often": Counts(viewed=100, dismissed=60),
        "never": Counts(viewed=100, dismissed=0),
        "missed": Counts(missed_tags=3, posted_tags=4),
        "missed more": Counts(missed_tags=5, posted_tags=50),
        "htmx": Counts(missed_tags=2, posted_tags=2),
    }
    found = list_worst_tags(tags, ["once", "often", "never", "missed", "missed more"])
    assert [(row.category, row.tag) for row in found] == [
        ("dismissed", "often"),
        ("dismissed", "once"),
        ("missed", "missed more"),
        ("missed", "missed"),
        ("unknown", "htmx"),
    ]
    assert (found[0].rate.numerator, found[0].rate.n) == (60, 100)


def test_without_a_vocabulary_nothing_is_unknown_and_the_file_stays_short() -> None:
    tags = {f"tag-{number}": Counts(missed_tags=1, posted_tags=1) for number in range(MAX_TAGS + 5)}
    found = list_worst_tags(tags, ())
    assert {row.category for row in found} == {"missed"}
    assert len(found) == MAX_TAGS


def test_of_tags_that_are_all_alike_hardly_any_page_names_one() -> None:
    drawn = random.Random(17)
    pages = 200
    named = 0
    for _ in range(pages):
        tags = {f"tag-{n}": Counts(viewed=60, accepted=sum(drawn.random() < 0.4 for _ in range(60))) for n in range(50)}
        standing_out = find_tags_standing_out(tags)
        named += bool(standing_out.best or standing_out.worst)
    # By the 95 % interval of each tag, nine pages in ten would name one.
    assert named <= 0.08 * pages


def test_a_tag_stands_out_on_one_side_only_and_the_furthest_comes_first() -> None:
    tags = {
        "bad": Counts(viewed=200, accepted=40),
        "worse": Counts(viewed=200, accepted=10),
        "good": Counts(viewed=200, accepted=150),
        "rare": Counts(viewed=29, accepted=0),
        "usual": Counts(viewed=2000, accepted=800),
    }
    standing_out = find_tags_standing_out(tags)
    assert [tag for tag, _ in standing_out.worst] == ["worse", "bad"]
    assert [tag for tag, _ in standing_out.best] == ["good"]
    assert standing_out.n_judged == 4


def test_a_tag_stands_out_by_its_writers_and_not_by_its_chips() -> None:
    usual = counts_of([(8, 20)] * 100)
    # The same 10 of 200 chips: of forty writers, and of four.
    by_many = find_tags_standing_out({"usual": usual, "tag": counts_of([(1, 5)] * 10 + [(0, 5)] * 30)})
    by_few = find_tags_standing_out({"usual": usual, "tag": counts_of([(3, 50), (2, 50), (3, 50), (2, 50)])})
    assert [tag for tag, _ in by_many.worst] == ["tag"]
    assert by_few.worst == []


def test_where_all_or_none_is_accepted_nothing_stands_out() -> None:
    for accepted in (0, 50):
        standing_out = find_tags_standing_out({"a": Counts(viewed=50, accepted=accepted)})
        assert (standing_out.best, standing_out.worst) == ([], [])


async def test_the_page_gives_it_as_csv(admin: Admin, engine: AsyncEngine) -> None:
    writer = Writer()
    moment = NOW - timedelta(hours=3)
    draft = writer.draft(moment, posted_at=moment, posted_tags=["=cmd()", "java"])
    writer.item(writer.suggestion(draft, ["python"]), "python", moment, dismissed_at=moment)
    await store(engine, writer.rows)
    response = await admin.get("/metrics/worst.csv")
    rows = list(csv.DictReader(io.StringIO(response.text, newline="")))
    assert [(row["what"], row["tag"], row["numerator"], row["n"]) for row in rows] == [
        ("dismissed", "python", "1", "1"),
        ("missed", "java", "1", "1"),
        ("unknown", "'=cmd()", "1", "1"),
    ]
    assert (rows[0]["writers"], rows[0]["low"], rows[0]["reason"]) == ("1", "", "too few writers")


def test_the_command_writes_what_demo_writers_did_and_says_where_it_cannot(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TAGALONG_DATABASE_URL", database_url)
    monkeypatch.setenv("TAGALONG_MODEL_TIER", "light")
    assert CliRunner().invoke(main, [*DEMO_WEEK, "--drafts", "6"]).exit_code == 0

    def written(name: str, *more: str) -> Result:
        return CliRunner().invoke(main, ["worst", "--out", str(tmp_path / name), *more])

    assert written("demo.csv", "--kind", "demo").exit_code == 0
    rows = list(csv.DictReader((tmp_path / "demo.csv").open(newline="")))
    assert "missed" in {row["what"] for row in rows}
    shown = CliRunner().invoke(main, ["worst", "--out", "-", "--kind", "demo"])  # E9
    assert (shown.exit_code, shown.output.startswith("# The worst, ")) == (0, True)
    assert not Path("-").exists()
    refused = written("nowhere/worst.md")
    assert (refused.exit_code, "can't be written" in refused.output) == (1, True)


def test_for_people_it_says_what_was_counted(tmp_path: Path) -> None:
    # Thirty writers who were shown a chip or two each: by hand, hardly more than Wilson's interval of fifty chips.
    made = counts_of([(1, 2)] * 10 + [(0, 2)] * 10 + [(0, 1)] * 10)
    assert made.writers is not None
    sums = made.writers.sums["accepted", "viewed"]
    counts = Counts(viewed=50, dismissed=10, writers=Writers({("dismissed", "viewed"): sums}))
    rows = list_worst_tags({"a|b`": counts}, ())
    text = to_markdown(rows, Filters(NOW.date() - timedelta(days=7), NOW.date()))
    low, high = clustered_interval(sums) or (0.0, 0.0)
    assert 0.1 < low < 0.2 < high < 0.4
    assert f"| `a¦b'` | 20.0 % | {low * 100:.1f}\N{EN DASH}{high * 100:.1f} % | 10 of 50 |" in text
    assert text.count("None.") == 2
