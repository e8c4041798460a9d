"""Posted questions beside the base data: each once, with a weight, and nothing to measure on is learned from."""

import polars as pl
import pytest

from model.questions.feedback import PostedQuestion
from model.retraining.mixing import MixCounts, Weighting, mix_rows

SITE = "stackoverflow.com"


def rows(*questions: tuple[int, str, str]) -> pl.DataFrame:
    return pl.DataFrame(
        [
            {"question_id": number, "title": title, "tags": ["python", "pandas"], "split": split, "source": SITE}
            for number, title, split in questions
        ]
    )


def told(number: int, *offered: str, month: str | None = "2026-11") -> PostedQuestion:
    return PostedQuestion(SITE, number, frozenset(offered), month)


def test_a_posted_question_takes_the_place_of_the_same_one_but_never_of_one_to_measure_on() -> None:
    base = rows((1, "One", "train"), (2, "Two", "train"), (3, "Three", "dev"), (4, "Four", "train"))
    posted = rows((1, "One, edited", "train"), (3, "Three", "train"), (9, " TWO ", "train"), (8, "New", "train"))
    mixed, found = mix_rows(base, posted, [told(number) for number in (1, 3, 8, 9)], Weighting())
    assert sorted(mixed["title"].to_list()) == [" TWO ", "Four", "New", "One, edited", "Three"]
    assert (found.base, found.replaced, found.of_dev) == (2, 2, 1)
    assert found.learned + found.kept_apart == 3
    assert mixed.filter(pl.col("question_id") == 3)["source"].item() == SITE


def test_a_fifth_of_the_posted_questions_is_kept_apart_and_always_the_same_ones() -> None:
    posted = rows(*((number, f"title {number}", "train") for number in range(1, 2001)))
    lines = [told(number) for number in range(1, 2001)]
    mixed, found = mix_rows(rows((9_999, "base", "train")), posted, lines, Weighting())
    assert found.kept_apart / 2000 == pytest.approx(0.2, abs=0.03)
    again, _ = mix_rows(rows((9_999, "base", "train")), posted.with_columns(title=pl.lit("x")), lines, Weighting())
    kept = [frame.filter(pl.col("split") == "dev")["question_id"].to_list() for frame in (mixed, again)]
    assert kept[0] == kept[1]


def test_recent_and_missed_questions_count_more() -> None:
    weighing = Weighting(feedback=2, half_life=12, missed=1)
    posted = rows(*((number, f"title {number}", "train") for number in range(1, 6)))
    lines = [
        told(1, "python", "pandas"), told(2, "python"), told(3, "java"), told(4, "python", "pandas", month="2025-11"),
        told(5, "python", "pandas", month=None),
    ]  # fmt: skip
    mixed, _ = mix_rows(rows((9, "base", "train")), posted, lines, weighing)
    assert dict(zip(mixed["question_id"], mixed["weight"], strict=True)) == {9: 1, 1: 2, 2: 3, 3: 4, 4: 1, 5: 2}


def test_of_a_question_in_two_files_the_later_one_stays() -> None:
    posted = pl.concat([rows((1, "first", "train")), rows((1, "edited", "train"))])
    mixed, found = mix_rows(rows((9, "base", "train")), posted, [told(1)], Weighting())
    assert set(mixed["title"]) == {"base", "edited"}
    assert isinstance(found, MixCounts)
