"""Questions are read with care: each title once, dev apart, and a file that is wrong is refused with what to do."""

from pathlib import Path

import polars as pl
import pytest

from model.questions import Question, QuestionsError, assign_split, drop_repeated_titles
from model.questions.parquet import read_questions
from model.questions.tag_sets import read_tag_sets

ROW: dict[str, object] = {
    "title": "T",
    "body": "<b>x</b> &lt;",
    "body_format": "html",
    "tags": ["a", "B "],
    "split": "train",
}


def written(tmp_path: Path, *rows: dict[str, object]) -> Path:
    path = tmp_path / "q.parquet"
    pl.DataFrame(list(rows)).write_parquet(path)
    return path


def test_a_row_becomes_a_question_with_plain_text_and_lower_case_tags(tmp_path: Path) -> None:
    (question,) = read_questions(written(tmp_path, ROW))
    assert question.body == "x <"
    assert question.tags == ("a", "b")
    assert question.tags_complete
    assert question.year is None
    assert question.source == "q"


def test_each_title_is_kept_once_and_dev_wins(tmp_path: Path) -> None:
    rows = [ROW | {"title": "Same"}, ROW | {"title": " same ", "split": "dev"}, ROW | {"title": "Other"}]
    questions = read_questions(written(tmp_path, *rows))
    assert sorted((q.title.strip().lower(), q.split == "dev") for q in questions) == [("other", False), ("same", True)]


def test_a_row_counts_as_many_times_as_its_weight_says_or_once(tmp_path: Path) -> None:
    rows = [ROW | {"title": "a", "weight": 2.5}, ROW | {"title": "b", "weight": None}]
    assert [q.weight for q in read_questions(written(tmp_path, *rows))] == [2.5, 1.0]
    assert read_questions(written(tmp_path, ROW))[0].weight == 1.0


def test_rows_without_title_or_tags_are_left_out(tmp_path: Path) -> None:
    rows = [ROW, ROW | {"title": None}, ROW | {"title": "no tags", "tags": []}]
    assert [q.title for q in read_questions(written(tmp_path, *rows))] == ["T"]


def test_five_in_a_hundred_train_titles_are_for_tuning_and_always_the_same_ones() -> None:
    splits = [assign_split(f"title {i}", "train") for i in range(20_000)]
    assert splits.count("tune") / 20_000 == pytest.approx(0.05, abs=0.005)
    assert set(splits) == {"train", "tune"}
    assert splits == [assign_split(f"title {i}", "train") for i in range(20_000)]
    assert assign_split("title 1", "dev") == "dev"


def test_dev_wins_in_any_order() -> None:
    dev, train = (Question("t", "", ("a",), True, None, None, "s", split) for split in ("dev", "train"))
    assert drop_repeated_titles([dev, train]) == drop_repeated_titles([train, dev]) == [dev]


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda f: f.drop("tags", "body"), "lacks the columns body, tags"),
        (lambda f: f.with_columns(tags=pl.lit("python")), "tags is String and must be List"),
        (lambda f: f.with_columns(title=pl.lit(3)), "title is Int32 and must be String"),
        (lambda f: f.with_columns(body_format=pl.lit("rtf")), "rows whose body_format is none of"),
        (lambda f: f.clear(), "has no questions"),
        (lambda f: f.with_columns(weight=pl.lit(0.0)), "weights that are not above 0"),
        (lambda f: f.with_columns(weight=pl.lit(float("nan"))), "weights that are not above 0"),
        (lambda f: f.with_columns(year=pl.lit("soon")), "another type"),
    ],
)
def test_a_file_that_is_wrong_is_refused_with_the_reason(tmp_path: Path, spoil: object, says: str) -> None:
    path = tmp_path / "wrong.parquet"
    spoil(pl.DataFrame([ROW])).write_parquet(path)  # type: ignore[operator]
    with pytest.raises(QuestionsError, match=says):
        read_questions(path)


def test_a1_tags_that_are_none_are_neither_learned_nor_repeated(tmp_path: Path) -> None:
    rows = [
        ROW | {"title": str(i), "tags": tags} for i, tags in enumerate((["['zig'"], ["zig", "'c']"], ["a b"], ["ok"]))
    ]
    with pytest.raises(QuestionsError, match=r"3 rows whose tags cannot be read: .* do not match.*prepare") as refusal:
        read_questions(written(tmp_path, *rows))
    assert "zig" not in str(refusal.value)
    nested = ROW | {"tags": ["['zig', 'c']", " "]}
    assert [question.tags for question in read_questions(written(tmp_path, nested))] == [("zig", "c")]


@pytest.mark.parametrize("tags", [["['zig', 'c']"], "<zig><c>", '["zig","c"]'])
def test_a1_sets_of_tags_are_read_by_the_same_rule(tmp_path: Path, tags: object) -> None:
    path = tmp_path / "sets.parquet"
    pl.DataFrame([{"question_id": 1, "tags": tags}]).write_parquet(path)
    assert read_tag_sets(path, []) == [("zig", "c")]
    pl.DataFrame([{"question_id": 1, "tags": ["['zig'"]}]).write_parquet(path)
    with pytest.raises(QuestionsError, match="tags cannot be read"):
        read_tag_sets(path, [])


def test_no_file_and_no_parquet_are_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match="There is no file"):
        read_questions(tmp_path / "nowhere.parquet")
    for content, says in ((b"", "is empty"), (b"PK\x03\x04", "ZIP"), (b"Title,Tags", "a text file, not Parquet")):
        (tmp_path / "none.parquet").write_bytes(content)
        with pytest.raises(QuestionsError, match=says):
            read_questions(tmp_path / "none.parquet")
