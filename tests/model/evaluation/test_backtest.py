"""The backtest asks old and fresh models the same questions, and its picture shows every point."""

import json
from collections.abc import Iterable
from pathlib import Path
from xml.etree import ElementTree

import polars as pl

from model.evaluation.backtest import format_tables, select_base, split_mixes
from model.questions import Question
from tests.model.conftest import synthetic
from tests.model.registry.conftest import run
from tools import backtest as picture
from tools.pipeline import SCHEMES


def test_an_old_model_does_not_know_what_came_later_and_newer_questions_teach_it(tmp_path: Path) -> None:
    """Each mix has the topics before it and one more; the words of the last are unheard of before."""
    years = []
    for i, year in enumerate((2020, 2022, 2024)):
        rows = synthetic(600, seed=i).filter(pl.col("tags_complete")).with_row_index()
        new = pl.col("index") % 4 < i
        word = pl.format("How do I {}{} the wombat {}?", pl.lit("zip"), pl.lit(str(year)), pl.col("index"))
        years.append(
            rows.with_columns(
                title=pl.when(new).then(word).otherwise(pl.col("title") + f" {year}"),
                tags=pl.when(new).then(pl.concat_list(pl.lit(f"wombat-{year}"))).otherwise(pl.col("tags")),
                source=pl.lit(f"mix-{year}"),
                year=pl.lit(year),
            )
        )
    pl.concat(years).drop("index").write_parquet(tmp_path / "q.parquet")
    mixes = [part for year in (2020, 2022, 2024) for part in ("--mix", f"{year}=mix-{year}")]
    told = run(
        "backtest", "--questions", tmp_path / "q.parquet", *mixes, "--newest", 2024, "--rows", 500,
        "--epochs", 6, "--rank", 8, "--out", tmp_path / "found.json",
    )  # fmt: skip
    found = json.loads((tmp_path / "found.json").read_text())
    pairs = [(row["trained"], row["asked"]) for row in found["ageing"]]
    assert pairs == [(2020, 2020), (2020, 2022), (2020, 2024), (2022, 2022), (2022, 2024), (2024, 2024)]
    by_pair = dict(zip(pairs, found["ageing"], strict=True))
    assert by_pair[2020, 2024]["fresh"]["R@5"]["low"] > 0.2
    assert by_pair[2020, 2024]["unknown"] > 0.2
    assert by_pair[2024, 2024]["fresh"]["R@5"]["value"] == 0
    assert len({row["rows"] for row in found["ageing"]}) == 1
    assert found["worth"][0]["added"] == 0
    assert found["worth"][-1]["weight"] > 1
    assert found["worth"][1]["better"]["R@5"]["low"] > 0.2
    assert "| 2020 | 2024 |" in told.output
    drawn = ElementTree.fromstring(picture.draw_backtest("dark", found))
    once = [row for row in found["worth"] if row["weight"] == 1]
    assert len(drawn.findall("{http://www.w3.org/2000/svg}circle")) == len(found["ageing"]) + len(once)


def test_e1_a_question_that_some_model_learns_from_in_another_spelling_is_not_asked() -> None:
    def asked(title: str, year: int) -> Question:
        return Question(title, "", ("git",), True, year, None, f"mix-{year}", "train")

    def titles(of: Iterable[Question]) -> set[str]:
        return {question.title.lower() for question in of}

    old = [asked(f"How do I undo commit {n}", 2020) for n in range(200)]
    new = [asked(f"HOW DO I   undo commit {n} ?", 2024) for n in range(100, 300)]
    first, last = split_mixes([*old, *new], {2020: "mix-2020", 2024: "mix-2024"})
    learned = {title.split()[5] for mix in (first, last) for title in titles(mix.learn)}
    for mix in (first, last):
        assert not learned & {title.split()[5] for title in titles(mix.ask)}
        assert mix.left_out + len(mix.ask) == 60
        assert mix.left_out > 0
    again = [asked(f"{question.title.upper()}!", 2020) for question in last.ask]
    assert titles(select_base([*again, *old[:5]], 2020, [first, last], 99)) <= titles(old[:5])


def test_a_source_that_is_not_there_and_a_single_year_are_refused(tmp_path: Path) -> None:
    synthetic(40).write_parquet(tmp_path / "q.parquet")
    asked = ["backtest", "--questions", tmp_path / "q.parquet", "--out", tmp_path / "x.json"]
    missing = run(*asked, "--mix", "2020=a", "--mix", "2022=b", "--newest", 2022, code=1)
    assert "no questions with complete tags of the source a" in missing.output
    assert "two years or more" in run(*asked, "--mix", "2020=a", "--newest", 2020, code=2).output
    assert "not like 2020=name" in run(*asked, "--mix", "a=2020", "--newest", 2020, code=2).output


def test_the_page_and_its_pictures_show_what_was_measured() -> None:
    found = json.loads(picture.FIGURES.read_text())
    for scheme in SCHEMES:
        assert (picture.DOCS / f"backtest-{scheme}.svg").read_text() == picture.draw_backtest(scheme, found)
    page = (picture.DOCS / "backtest.md").read_text()
    for line in format_tables(found).splitlines():
        assert line in page.replace("2026, hot", "2026")
