"""Tables are read as spreadsheets, query tools and joins write them."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from model.questions import QuestionsError
from model.questions.csv_file import CsvFile
from model.questions.database import Database
from model.questions.parquet import ParquetFile
from model.questions.posts import NO_YEAR, NOT_UTF8, Source
from tests.model.questions.test_sources import gathered

TABLE = (
    "Id;Title;Body;Tags;CreationDate\n"
    '12.0;How do I sum a café\'s… daily rows”;"<p>one\ntwo</p>";<sql><sum>;5/1/2013 10:11\n'
    "13;Where is the naïve Bayes “classifier”;;<r>;soon\n"
)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"])
def test_a3_a_spreadsheets_file_is_read_in_its_encoding_and_with_its_line_ends(
    tmp_path: Path, encoding: str, end: str
) -> None:
    path = tmp_path / "q.csv"
    mark = "\ufeff" if encoding == "utf-16-be" else ""  # utf-16-le is without one here
    path.write_bytes((mark + TABLE.replace("\n", end)).encode(encoding))
    rows, refused, result = gathered(tmp_path, CsvFile(path))
    assert rows["title"].to_list() == ["How do I sum a café's… daily rows”", "Where is the naïve Bayes “classifier”"]
    assert rows["body"][0] == f"<p>one{end}two</p>"
    assert rows["question_id"].to_list() == [12, 13]
    assert rows["year"].to_list() == [2013, None]
    assert refused == []
    assert result.noted == {NO_YEAR: 1} | ({NOT_UTF8: 2} if encoding == "cp1252" else {})


@pytest.mark.parametrize("first", ["sep=\t\r\n", '"sep=\t"\r\n', "SEP=\t\n", ""])
@pytest.mark.parametrize("separator", [None, "\t"])
def test_a3_the_separator_is_found_by_itself(tmp_path: Path, first: str, separator: str | None) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(f"{first}Tags\tTitle, as asked\tTitle\n<a>\tx;y\tOne, two; three\n".encode())
    assert gathered(tmp_path, CsvFile(path, separator))[0]["title"].to_list() == ["One, two; three"]


def test_a3_empty_cells_at_a_rows_end_may_be_missing_or_too_many(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("Title,Tags,Body,Id\nOne,<a>\nTwo,<a>,x,2,,\nThree,<a>,x,3,y\nFour\n")
    rows, refused, result = gathered(tmp_path, CsvFile(path))
    assert rows["title"].to_list() == ["One", "Two"]
    assert [row["reason"] for row in refused] == [
        "it has 5 fields, and the header has 4", "it has 1 fields, and the header has 4",
    ]  # fmt: skip
    assert result.noted == {}


def test_a_row_without_a_header_is_not_repeated(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("17,How do I quit zsh?,<zsh>\n")
    with pytest.raises(QuestionsError, match="lacks the columns title, tags") as refusal:
        CsvFile(path)
    assert "zsh" not in str(refusal.value)
    path.write_text("Id,Question Title,Tags\n17,How do I quit zsh?,<zsh>\n")
    with pytest.raises(QuestionsError, match=r"lacks the columns title. .*: Id, Question Title, Tags"):
        CsvFile(path)


def joined_csv(tmp_path: Path) -> Source:
    path = tmp_path / "joined.csv"
    path.write_text("Id,Title,Tags,Id,Title\n5,Mine,<a>,99,Somebody's\n")
    return CsvFile(path)


def joined_database(tmp_path: Path) -> Source:
    path = tmp_path / "joined.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE q (Id int, Title text, Tags text)")
        connection.execute("CREATE TABLE u (Id int, Title text)")
        connection.execute("INSERT INTO q VALUES (5, 'Mine', '<a>')")
        connection.execute("INSERT INTO u VALUES (99, 'Somebody''s')")
    connection.close()
    return Database(f"sqlite:///{path}", "SELECT q.*, u.* FROM q, u")


def joined_parquet(tmp_path: Path) -> Source:
    path = tmp_path / "joined.parquet"
    pl.DataFrame({"Id": [5], "Title": ["Mine"], "Tags": ["<a>"], "id": [99], "title": ["Somebody's"]}).write_parquet(
        path
    )
    return ParquetFile(path)


@pytest.mark.parametrize("source", [joined_csv, joined_database, joined_parquet])
def test_a11_of_two_columns_of_one_name_the_first_is_read_and_it_is_said(
    tmp_path: Path, source: Callable[[Path], Source]
) -> None:
    rows, _, result = gathered(tmp_path, source(tmp_path))
    assert (rows["question_id"][0], rows["title"][0]) == (5, "Mine")
    assert [notice.split(" has ")[1] for notice in result.notices] == [
        f"several columns {name}: the first is read." for name in ("id", "title")
    ]
