"""Every source gives the same questions, names the rows that are none, and goes on where it was stopped."""

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

import polars as pl
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from model.cli import main
from model.questions import QuestionsError, csv_file, data_dump
from model.questions.csv_file import CsvFile
from model.questions.data_dump import DataDump
from model.questions.database import Database
from model.questions.gather import REFUSED, GatherResult, gather
from model.questions.parquet import ParquetFile
from model.questions.posts import COLUMNS, CONTROLS, NOT_UTF8, Batch, Source
from model.runs.files import OutputBusyError
from model.runs.resumable import ResumableOutput

WRITTEN = Path(__file__).parent.parent / "written.csv"
BODY = '<p>Rows &lt; 3, and "quotes",\nand a line.</p>'
EXPECTED = {
    "title": "How to merge C# lists?",
    "body": BODY,
    "body_format": "html",
    "tags": ["c#", ".net"],
    "tags_complete": True,
    "year": 2014,
    "question_id": 7,
    "split": "train",
}


def gathered(tmp_path: Path, *sources: Source) -> tuple[pl.DataFrame, list[dict[str, str]], GatherResult]:
    out = tmp_path / "gathered.parquet"
    with ResumableOutput(out, "one") as parts:
        result = gather(sources, parts, out)
    lines = (tmp_path / (out.name + REFUSED)).read_text().splitlines()
    return pl.read_parquet(out), [json.loads(line) for line in lines], result


def a_csv(tmp_path: Path) -> Source:
    text = BODY.replace('"', '""')
    path = tmp_path / "q.csv"
    path.write_text(
        f'Id,Title,Body,Tags,CreationDate\n7,How to merge C# lists?,"{text}",<c#><.net>,2014-05-01 10:00:00\n',
        encoding="utf-8",
    )
    return CsvFile(path)


def a_dump(tmp_path: Path) -> Source:
    return DataDump(dumped(tmp_path, row(7)), processes=1)


def a_database(tmp_path: Path) -> Source:
    path = tmp_path / "q.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE Posts (Id int, Title text, Body text, Tags text, CreationDate text)")
        values = (7, EXPECTED["title"], BODY, "|c#|.net|", "2014-05-01T10:00:00")
        connection.execute("INSERT INTO Posts VALUES (?, ?, ?, ?, ?)", values)
    connection.close()
    return Database(f"sqlite:///{path}", "Posts")


def a_parquet(tmp_path: Path) -> Source:
    path = tmp_path / "q.parquet"
    pl.DataFrame([EXPECTED | {"source": "q"}]).write_parquet(path)
    return ParquetFile(path)


def row(number: int, **attributes: str) -> str:
    values = {
        "Id": str(number), "PostTypeId": "1", "CreationDate": "2014-05-01T10:00:00.000", "Body": BODY,
        "Title": "How to merge C# lists?", "Tags": "<c#><.net>",
    } | attributes  # fmt: skip
    return "  <row " + " ".join(f"{k}={quoteattr(v, {chr(10): '&#xA;'})}" for k, v in values.items()) + " />\n"


def dumped(tmp_path: Path, *rows: str, end: str = "</posts>\n") -> Path:
    path = tmp_path / "Posts.xml"
    start = '\ufeff<?xml version="1.0" encoding="utf-8"?>\n<posts>\n'
    path.write_bytes((start + "".join(rows) + end).encode("utf-8"))
    return path


@pytest.mark.parametrize("source", [a_csv, a_dump, a_database, a_parquet])
def test_every_source_gives_the_same_row(tmp_path: Path, source: Callable[[Path], Source]) -> None:
    rows, refused, _ = gathered(tmp_path, source(tmp_path))
    assert rows.schema == pl.Schema(COLUMNS)
    assert rows.drop("source").rows(named=True) == [EXPECTED]
    assert rows["source"][0]
    assert refused == []


def test_bad_rows_of_a_csv_are_named_by_their_line_and_the_others_are_read(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(
        b'\xef\xbb\xbf"Title","Body","Tags"\r\n'
        b'"One","two\r\nlines","<a>"\r\n'
        b'"",x,"<a>"\r\n'
        b"Few,fields\r\n"
        b'"Not \xff UTF-8",x,<a>\r\n'
        b'"a quote " in the middle",x,<a>\r\n'
        b"\r\n"
        b'Last,x,"<b>"'
    )
    rows, refused, result = gathered(tmp_path, CsvFile(path))
    assert rows["title"].to_list() == ["One", "Not ÿ UTF-8", "Last"]
    assert rows["body"][0] == "two\r\nlines"
    assert [(each["place"], each["reason"]) for each in refused] == [
        ("q.csv, line 4", "it has no title"),
        ("q.csv, line 5", "it has 2 fields, and the header has 3"),
        ("q.csv, line 7", "it is broken CSV: ',' expected after '\"'"),
    ]
    assert (result.questions, result.refused, result.noted) == (3, 3, {NOT_UTF8: 1})


def test_a_quote_that_is_never_closed_costs_its_own_rows_only(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text('Title,Body,Tags\nfirst,x,<a>\nsecond,"no end,<a>\nthird,x,<a>\n')
    rows, refused, _ = gathered(tmp_path, CsvFile(path))
    assert rows["title"].to_list() == ["first"]
    assert refused == [{"place": "q.csv, line 3", "reason": "it is broken CSV: unexpected end of data"}]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "is empty"),
     (b"Name,Text\n1,2\n", "lacks the columns title, tags"),
     (b"PAR1....", "is a Parquet file, not CSV"), (b"\0\1\2", "is a binary file"), (b"PK\x03\x04", "ZIP"),
     (b"Title,Tags\n,\n", "None of the 1 rows is a question: it has no title"),
     (b"Title,Tags\n", "There is no question in it")],
)  # fmt: skip
def test_a_file_that_is_no_csv_of_questions_is_refused_with_what_to_do(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "q.csv"
    path.write_bytes(content)
    with pytest.raises(QuestionsError, match=says):
        gathered(tmp_path, CsvFile(path))


def test_semicolons_are_read_when_they_are_named(tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text("Title;Tags\nx, y;<a>\n")
    assert gathered(tmp_path, CsvFile(path, ";"))[0]["title"].to_list() == ["x, y"]
    with pytest.raises(QuestionsError, match="--separator semicolon, or leave it out"):
        CsvFile(path, ",")


def test_of_a_dump_only_questions_are_read_and_a_broken_row_is_named_by_its_byte(tmp_path: Path) -> None:
    answer = row(8, PostTypeId="2")
    broken = row(9).replace('Title="', "Title=")
    path = dumped(tmp_path, row(7), answer, broken, row(10, Title=""), row(11, Title="ä & ö"))
    rows, refused, _ = gathered(tmp_path, DataDump(path, processes=1))
    assert rows["question_id"].to_list() == [7, 11]
    assert rows["title"][1] == "ä & ö"
    assert rows["source"][0] == tmp_path.name
    at = path.read_bytes().index(broken.strip().encode())
    assert refused[0]["place"] == f"Posts.xml, byte {at:,}"
    assert "XML is broken" in refused[0]["reason"]
    assert refused[1]["reason"] == "it has no title"


ODD = (
    '<posts><row Tags="&lt;go&gt;" Title="One &lt;row /&gt; of ü" Id="1" PostTypeId="1" CreationDate="2012-01-02"/>'
    "<row Id='2' PostTypeId='1' Title='Says \"two\"' Tags='|c|'\n\tCreationDate = '2013-01-01'\n"
    " Body='a > b/>'  ></row>"
    '<row Id="3" PostTypeId="2" Body=" PostTypeId=&quot;1&quot;" />'
    '<row Id="4" Body=\' PostTypeId="1" \' PostTypeId="2" />\r'
    '<rows Id="9"/><row Id="5" PostTypeId="1" Title="Five 🦄 &#x1F984;" Tags="&lt;c++&gt;&lt;c#&gt;" /></posts>'
)


@pytest.mark.parametrize("size", [1, 7, 64, 333, 10**6])
def test_a2_rows_are_read_wherever_lines_and_ranges_end(tmp_path: Path, size: int) -> None:
    path = tmp_path / "Posts.xml"
    path.write_text(ODD, encoding="utf-8", newline="")
    length = path.stat().st_size
    batches = [data_dump.read_range(path, first, min(first + size, length)) for first in range(0, length, size)]
    rows = pl.concat(batch.rows for batch in batches)
    assert not any(batch.refused for batch in batches)
    assert rows.select("question_id", "title", "tags", "year", "body").rows() == [
        (1, "One <row /> of ü", ["go"], 2012, ""),
        (2, 'Says "two"', ["c"], 2013, "a > b/>"),
        (5, "Five 🦄 🦄", ["c++", "c#"], None, ""),
    ]


def test_a4_a_row_is_kept_without_its_control_characters(tmp_path: Path) -> None:
    codes = [
        "&#x0;",
        "&#7;",
        "&#x1B;",
        "&#x0000000C;",
        "&#xD83D;&#xDE00;",
        "&#xFFFE;",
        "&#x110000;",
        "\x00",
        "\x08",
        "\x7f",
    ]
    dirty = [row(n, Title="Bell@here", Body="x@y").replace("@", code) for n, code in enumerate(codes, start=1)]
    path = dumped(tmp_path, *dirty, row(90, Title="Latin @ byte"), row(91, Title="Tab &\n and line"))
    path.write_bytes(path.read_bytes().replace(b"@", b"\xe9"))
    rows, refused, result = gathered(tmp_path, DataDump(path, processes=1))
    assert refused == []
    assert rows["title"].to_list() == ["Bellhere"] * len(codes) + ["Latin é byte", "Tab &\n and line"]
    assert rows["body"][:-2].to_list() == ["xy"] * len(codes)
    assert result.noted == {CONTROLS: len(codes), NOT_UTF8: 1}


def test_a_dump_that_was_cut_off_says_so(tmp_path: Path) -> None:
    path = dumped(tmp_path, row(7), row(8)[:-60], end="")
    rows, refused, _ = gathered(tmp_path, DataDump(path, processes=1))
    assert rows.height == 1
    assert "XML is broken" in refused[0]["reason"]
    assert "cut off" in refused[1]["reason"]


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"7z\xbc\xaf\x27\x1c", "Unpack it first: 7z x"), (b"PAR1", "Parquet"), (b"Title,Tags", "no XML")],
)
def test_a_file_that_is_no_dump_is_refused(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "Posts.xml"
    path.write_bytes(content)
    with pytest.raises(QuestionsError, match=says):
        DataDump(path)


@pytest.mark.parametrize("size", [1, 100, 457, 1_000, 10**6])
def test_every_line_of_a_dump_belongs_to_one_range_wherever_the_ranges_end(tmp_path: Path, size: int) -> None:
    path = dumped(tmp_path, *(row(number) for number in range(1, 9)))
    length = path.stat().st_size
    batches = [data_dump.read_range(path, first, min(first + size, length)) for first in range(0, length, size)]
    assert [number for batch in batches for number in batch.rows["question_id"]] == list(range(1, 9))
    assert not any(batch.refused for batch in batches)


@pytest.mark.parametrize("made", [a_csv, a_parquet])
def test_a_stopped_run_goes_on_where_it_was_and_gives_the_same_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, made: Callable[[Path], Source]
) -> None:
    monkeypatch.setattr(csv_file, "ROWS_AT_ONCE", 40)
    monkeypatch.setattr("model.questions.parquet._ROWS_AT_ONCE", 40)
    source: CsvFile | ParquetFile = CsvFile(WRITTEN)
    if made is a_parquet:
        gathered(tmp_path, source)
        source = ParquetFile((tmp_path / "gathered.parquet").rename(tmp_path / "all.parquet"))
    whole, stopped = tmp_path / "whole.parquet", tmp_path / "stopped.parquet"
    with ResumableOutput(whole, "one") as parts:
        gather([source], parts, whole)

    class Stopped(Exception):
        pass

    class Stops:
        length = source.length

        def batches(self, after: Any) -> Iterator[Batch]:
            for number, batch in enumerate(source.batches(after)):
                if number == 3:
                    raise Stopped
                yield batch

    with ResumableOutput(stopped, "one") as parts, pytest.raises(Stopped):
        gather([Stops()], parts, stopped)
    assert not stopped.exists()
    read: list[int] = []
    with ResumableOutput(stopped, "one") as parts:
        assert len(parts.done) == 3
        gather([source], parts, stopped, read.append)
    assert stopped.read_bytes() == whole.read_bytes()
    assert Path(f"{stopped}{REFUSED}").read_bytes() == Path(f"{whole}{REFUSED}").read_bytes()
    assert sum(read) == source.length
    assert not stopped.with_name("stopped.parquet.unfinished").exists()


def test_e10_more_refused_rows_than_the_bound_are_an_error_that_names_the_commonest_reason_first(
    tmp_path: Path,
) -> None:
    path, out = tmp_path / "q.csv", tmp_path / "q.parquet"
    path.write_text("Title,Tags\nfirst,\n,<a>\nSecret,['x\nthird,<a>\nfourth,<a>\nfifth,\n")

    def read(*more: str) -> Result:
        return CliRunner().invoke(main, ["questions", "csv", str(path), "--out", str(out), *more])

    for _ in range(2):
        refused = read()
        assert refused.exit_code == 1
        assert "4 of 6 rows were refused, more than 50 % of them: it has no tags (2); " in refused.output
        assert "Secret" not in refused.output
        assert not out.exists()
    assert len(Path(f"{out}{REFUSED}").read_text().splitlines()) == 4
    taken = read("--refuse-above", "67%")
    assert taken.exit_code == 0, taken.output
    assert "2 questions; 4 rows refused" in taken.output
    assert "2 refused: it has no tags" in taken.output
    assert pl.read_parquet(out).height == 2
    assert read("--refuse-above", "0.67").exit_code == 0
    assert read().exit_code == 1, "what was taken under another bound is not whole under this one"
    assert read("--refuse-above", "7").exit_code == 2


def test_parts_of_another_run_are_not_used_and_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    with ResumableOutput(out, "one") as parts:
        parts.add(pl.DataFrame({"a": [1]}), {})
        with pytest.raises(OutputBusyError, match="another process"):
            ResumableOutput(out, "one")
    with ResumableOutput(out, "one") as parts:
        assert parts.rows() == 1
    with ResumableOutput(out, "two") as parts:
        assert parts.done == []


def test_several_files_are_read_one_after_the_other(tmp_path: Path) -> None:
    rows, _, _ = gathered(tmp_path, a_csv(tmp_path), a_parquet(tmp_path))
    assert rows["question_id"].to_list() == [7, 7]


def test_a_database_that_cannot_be_used_says_what_to_do_and_never_its_password(tmp_path: Path) -> None:
    a_database(tmp_path)
    url = f"sqlite:///{tmp_path / 'q.sqlite'}"
    for wrong, query, says in (
        ("nonsense", "Posts", "no database URL"),
        (url, "Nowhere", "no such table"),
        (url, "SELECT Id, Title FROM Posts", "lack the columns tags"),
        (url, "SELECT * FROM Posts WHERE Id = 8", "no question"),
        ("nosuch://u:Geheim1@h/d", "Posts", "knows no database 'nosuch'"),
        ("mysql+pymysql://u:Geheim1@127.0.0.1:1/d", "Posts", "pymysql is not installed"),
        ("postgresql://u:Geheim1@127.0.0.1:1/d", "Posts", "postgresql://u:\\*\\*\\*@127.0.0.1:1/d"),
    ):
        with pytest.raises(QuestionsError, match=says) as refusal:
            gathered(tmp_path, Database(wrong, query))
        assert "Geheim1" not in str(refusal.value)


@pytest.mark.parametrize("keep", [4, 200, 2_000])
def test_a_parquet_file_that_was_cut_off_is_refused(tmp_path: Path, keep: int) -> None:
    gathered(tmp_path, CsvFile(WRITTEN))
    path = tmp_path / "cut.parquet"
    path.write_bytes((tmp_path / "gathered.parquet").read_bytes()[:keep])
    with pytest.raises(QuestionsError, match="may be cut off"):
        ParquetFile(path)


@pytest.fixture
def posts_in_postgresql(database_url: str) -> str:
    """A database with a table of posts, whose tags are an array and whose date is a timestamp."""

    async def fill() -> None:
        engine = create_async_engine(database_url)
        async with engine.begin() as connection:
            await connection.execute(
                text("CREATE TABLE posts (id bigint, title text, body text, tags text[], creation_date timestamptz)")
            )
            await connection.execute(
                text(
                    "INSERT INTO posts SELECT n, 'Question ' || n, '<p>x</p>', ARRAY['SQL', 'a'], "
                    "'2014-05-01T10:00:00Z' FROM generate_series(1, 12000) AS n"
                )
            )
        await engine.dispose()

    asyncio.run(fill())
    return database_url


def test_postgresql_is_read_in_pieces_by_the_driver_that_the_service_has(
    tmp_path: Path, posts_in_postgresql: str
) -> None:
    url = posts_in_postgresql.replace("+asyncpg", "")
    source = Database(url, "SELECT * FROM posts WHERE id <> 7 ORDER BY id")
    rows, refused, _ = gathered(tmp_path, source)
    assert rows.height == 11_999
    assert rows["question_id"][:7].to_list() == [1, 2, 3, 4, 5, 6, 8]
    assert rows.row(0, named=True)["tags"] == ["sql", "a"]
    assert rows["year"].unique().to_list() == [2014]
    assert refused == []
    with pytest.raises(QuestionsError, match="a value cannot be converted") as refusal:
        gathered(tmp_path, Database(url, "SELECT title::int AS title, tags FROM posts"))
    assert "Question" not in str(refusal.value)
    out = tmp_path / "by-command.parquet"
    read = CliRunner().invoke(main, ["questions", "sql", url, "--query", "posts", "--out", str(out)])
    assert read.exit_code == 0, read.output
    assert pl.read_parquet(out).height == 12_000
