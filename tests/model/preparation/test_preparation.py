"""Preparation keeps what is asked, puts code apart, takes out what is nobody's business, and says what it did."""

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from click.testing import CliRunner, Result

from model.cli import main
from model.preparation.markup import split_prose_and_code
from model.preparation.personal import REDACTED, redact
from model.preparation.prepare import PREPARED, REPORT, format_report, prepare
from model.questions import QuestionsError
from model.questions.gather import REFUSED
from model.questions.parquet import ParquetFile, read_questions
from model.questions.posts import NO_YEAR, UNKNOWN_FORMAT
from model.runs.resumable import ResumableOutput

LONG = "This body is long enough to be its writer's own, since nobody writes so many words twice. " * 2


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, list(map(str, arguments)))


def prepared(tmp_path: Path, *rows: Mapping[str, object], dev_share: float = 0) -> tuple[pl.DataFrame, dict[str, Any]]:
    path, out = tmp_path / "raw.parquet", tmp_path / "prepared.parquet"
    full = [
        {"title": f"Title {i}", "body": "", "body_format": "text", "tags": ["a"], **row} for i, row in enumerate(rows)
    ]
    pl.DataFrame(full, infer_schema_length=None).write_parquet(path)
    with ResumableOutput(out, "one") as parts:
        report = prepare(ParquetFile(path), parts, out, dev_share)
    assert json.loads(Path(f"{out}{REPORT}").read_text()) == report
    return pl.read_parquet(out), report


def test_blocks_of_html_are_code_and_code_in_a_line_stays_in_its_sentence() -> None:
    prose, code = split_prose_and_code(
        "<p>Why is <code>a&lt;b</code> slow?</p>\n<pre class='x'><code>a = 1\n  b &lt; 2\n</code></pre>\n<p>Thanks</p>"
        "<PRE>last</PRE>",
        "html",
    )
    assert prose == "Why is a<b slow?\n\nThanks"
    assert code == "a = 1\n  b < 2\n\nlast"


@pytest.mark.parametrize(
    ("markdown", "prose", "code"),
    [
        ("See:\n\n    x = 1\n\n    y = 2\n\nDone `z`", "See:\n\nDone `z`", "x = 1\n\ny = 2"),
        ("See:\n```python\nx = 1\n```\nDone", "See:\n\nDone", "x = 1"),
        ("~~~\na\n```\nb\n~~~\nc", "c", "a\n```\nb"),
        ("Never closed\n```\nx\ny", "Never closed", "x\ny"),
        ("A paragraph\n    goes on", "A paragraph\n    goes on", ""),
        ("1. item\n\n    of a list\n\n        code\n\nEnd", "1. item\n\n    of a list\n\nEnd", "code"),
        ("\tx", "", "x"),
        ("[docs](http://a.b/c) and\r\n\r\n    d[0](1) &lt; 2", "docs and", "d[0](1) < 2"),
    ],
)
def test_blocks_of_markdown_are_code(markdown: str, prose: str, code: str) -> None:
    assert split_prose_and_code(markdown, "markdown") == (prose, code)


def test_text_has_no_code_that_could_be_told_apart() -> None:
    assert split_prose_and_code("a <b>\n\n    c", "text") == ("a <b>\n\n    c", "")


# Put together here, so that nothing in this file looks like a key to those who search for lost ones.
KEYS = ["AKIA" + "Q4T7RW2KLM9XPZ31", "ghp_" + "a1B2" * 9, "xoxb-" + "123456789-abcdef",
        "AIza" + "Sy" + "x9" * 16 + "_", "sk_" + "live_" + "4eC39HqLyjWDarjt", "sk-" + "proj-" + "abcd1234" * 5,
        "glpat-" + "x1y2z3a4b5c6d7e8f9g0"]  # fmt: skip
TOKEN = "eyJ" + "hbGciOiJIUzI1NiJ9.eyJ" + "zdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
PRIVATE = (
    "-----BEGIN RSA " + "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIEow+/==\n-----END RSA " + "PRIVATE KEY-----"
)


@pytest.mark.parametrize(
    ("text", "kind", "left"),
    [
        ("mail anna.schmidt+x@post-amt.de now", "e-mail address", f"mail {REDACTED} now"),
        *((f"key = '{key}'", "key", f"key = '{REDACTED}'") for key in KEYS),
        (f"Bearer {TOKEN}.", "signed token", f"Bearer {REDACTED}."),
        (f"a\n{PRIVATE}\nb", "private key", f"a\n{REDACTED}\nb"),
        (PRIVATE[:60], "private key", REDACTED),
        ("postgresql://shop:Zu7kel9@db/x", "password in a URL", f"postgresql://shop:{REDACTED}@db/x"),
        ("https://h/p?a=1&api_key=9f8a7b6c5d4e3f2a", "key in a URL", f"https://h/p?a=1&api_key={REDACTED}"),
        ('password = "Winter2019!"', "password or key in code", f'password = "{REDACTED}"'),
        ("Server=x;Pwd=Win7ter;", "password or key in code", f"Server=x;Pwd={REDACTED};"),
        ("Authorization: Basic YW5uYTpXaW50ZXIyMDE5", "password or key in code", f"Authorization: Basic {REDACTED}"),
        ("connect to 203.1.114.27:22", "IP address", f"connect to {REDACTED}:22"),
        ("from 2a02:8070:d183:5e00::1b2 port", "IP address", f"from {REDACTED} port"),
        ("call +49 30 901820 1234.", "telephone number", f"call {REDACTED}."),
        ("call +1 (415) 555-2671", "telephone number", f"call {REDACTED}"),
        ("paid with 4111 1111 1111 1111", "card number", f"paid with {REDACTED}"),
        (r"in C:\Users\Anna S\x", "", r"in C:\Users\Anna S\x"),
        (r"in C:\Users\annas\AppData", "name in a path", rf"in C:\Users\{REDACTED}\AppData"),
        ("at /home/anna/shop.py", "name in a path", f"at /home/{REDACTED}/shop.py"),
    ],
)
def test_personal_data_is_taken_out_and_counted_by_kind(text: str, kind: str, left: str) -> None:
    assert redact(text) == (left, Counter({kind: 1} if kind else {}))


@pytest.mark.parametrize(
    "text",
    [
        "git@github.com:a/b.git",
        "user@example.com",
        "@Override",
        "icon@2x.png",
        "127.0.0.1:8080 and 192.168.0.17 and 10.1.2.3",
        "Version=4.0.0.0, Culture=neutral",
        "version 1.12.30.4",
        "VLC 3.0.11.1",
        "Chrome/91.0.4472.124",
        "1.3.6.1.4.1.311",
        "8.8.8.8",
        "AKIA" + "IOSFODNN7EXAMPLE",
        "password = 'password'",
        "pwd = input()",
        "password: 'your_password_1'",
        "http://user:password@host/",
        "https://host:8080/a@b",
        "?key=value&token=abc",
        "GMT+0100 (CET) 2013",
        "x = a +1 + 2000",
        "2012-01-01 10:00:00 +0000 2013",
        "1234-5678-1234-5678",
        "/home/user/x",
        "C:\\Users\\Public\\x",
        "std::vector a::b:c",
        "/api/users/7/orders",
        "sk-learn and task-list-for-everybody-in-the-big-house",
        "Basic authentication is required here",
    ],
)
def test_what_programmers_write_about_all_the_time_stays(text: str) -> None:
    assert redact(text) == (text, Counter())


@pytest.mark.parametrize(
    "piece",
    [
        "a@",
        "a.",
        "1.",
        "1:",
        "2a:",
        "eyJ",
        "eyJa.",
        "-----BEGIN PRIVATE KEY-----",
        "a://b:",
        "://a:",
        "?key=",
        "+1 ",
        "1234 ",
        "/home/",
        "c:\\users\\",
        "password='",
        "pwd=",
        "bearer ",
        "ghp_",
        "sk-",
        "<pre>",
        "<pre",
        "</pre",
        "```\n",
        "    x\n\n",
        "\t",
        "- ",
    ],
)
def test_hostile_bodies_take_linear_time(piece: str) -> None:
    def seconds(chars: int) -> float:
        text = (piece * 50_000)[:chars]
        best = 10.0
        for _ in range(3):
            before = time.process_time()
            redact(text)
            split_prose_and_code(text, "html")
            split_prose_and_code(text, "markdown")
            best = min(best, time.process_time() - before)
        return best

    half, whole = seconds(25_000), seconds(50_000)
    assert whole < 4 * half + 0.05


def test_a_prepared_file_has_text_code_and_language(tmp_path: Path) -> None:
    rows, report = prepared(
        tmp_path,
        {
            "title": " How do I\tread a file? ",
            "body": "<p>I try <b>this</b>:</p><pre>open()</pre>",
            "body_format": "html",
            "year": 2020,
        },
        {"title": "Merge conflicts", "body_format": "none", "tags": ["B", "a"]},
    )
    assert rows.schema == pl.Schema(PREPARED)
    first, second = rows.rows(named=True)
    assert (first["title"], first["body"], first["code"]) == ("How do I read a file?", "I try this:", "open()")
    assert (first["body_format"], first["language"], first["year"], first["source"]) == ("text", "en", 2020, "raw")
    assert (second["body_format"], second["tags"]) == ("none", ["b", "a"])
    assert report["changed"] == {
        "HTML made plain text": {"rows": 1, "examples": [1]},
        "code put apart": {"rows": 1, "examples": [1]},
        "spaces in the title": {"rows": 1, "examples": [1]},
    }
    assert report["language"] == {"en": 1, "und": 1}


def test_e10_too_many_refused_rows_end_the_preparation_too(tmp_path: Path) -> None:
    path, out = tmp_path / "raw.parquet", tmp_path / "prepared.parquet"
    pl.DataFrame({"title": ["One", "", ""], "tags": ["<a>", "<a>", "<a>"]}).write_parquet(path)
    refused = command("prepare", path, "--out", out)
    assert refused.exit_code == 1
    assert "2 of 3 rows were refused, more than 50 % of them: it has no title (2)" in refused.output
    assert not out.exists()
    assert command("prepare", path, "--out", out, "--refuse-above", "70%").exit_code == 0


def test_rows_that_are_no_question_are_listed_with_their_number_and_the_reason(tmp_path: Path) -> None:
    rows, report = prepared(
        tmp_path,
        {},
        {"title": None},
        {"tags": []},
        {"body": "x", "body_format": "rtf"},
        {"title": "?!"},
        {"year": 1890},
        {"title": "Good"},
    )
    assert rows["title"].to_list() == ["Title 0", "Title 3", "Title 5", "Good"]
    listed = [json.loads(line) for line in (tmp_path / f"prepared.parquet{REFUSED}").read_text().splitlines()]
    assert [(each["place"].split()[-1], each["reason"][:14]) for each in listed] == [
        ("2", "it has no titl"), ("3", "it has no tags"),
    ]  # fmt: skip
    assert report["dropped"] == {"its title has no word": {"rows": 1, "examples": [5]}}
    assert report["rows"] == 7
    assert sum(of["rows"] for of in report["refused"].values()) == 2
    assert report["changed"] == {
        UNKNOWN_FORMAT: {"rows": 1, "examples": [4]}, NO_YEAR: {"rows": 1, "examples": [6]},
    }  # fmt: skip
    assert "1 its title has no word" in format_report(report)


def test_each_title_and_each_long_body_is_kept_once_and_dev_wins(tmp_path: Path) -> None:
    rows, report = prepared(
        tmp_path,
        {"title": "What is C++?"},
        {"title": "what is C++ ", "split": "dev"},
        {"title": "What is C?"},
        {"title": "One", "body": LONG},
        {"title": "Two", "body": f"<p>{LONG.upper()}</p>", "body_format": "html"},
        {"title": "Three", "body": "short"},
        {"title": "Four", "body": "short"},
        {"title": "Without"},
        {"title": "without", "body": "short"},
    )
    assert rows["title"].to_list() == ["what is C++", "What is C?", "One", "Three", "Four", "without"]
    assert report["dropped"] == {
        "its title is another row's": {"rows": 2, "examples": [1, 8]},
        "its body is another row's": {"rows": 1, "examples": [5]},
    }
    assert report["split"] == {"train": 5, "dev": 1}


def test_a_share_is_kept_apart_by_title_if_nothing_is_marked_dev(tmp_path: Path) -> None:
    many = [{"title": f"Question {i}"} for i in range(2_000)]
    rows, report = prepared(tmp_path, *many, dev_share=0.1)
    assert report["split"]["dev"] / 2_000 == pytest.approx(0.1, abs=0.02)
    dev = set(rows.filter(split="dev")["title"])
    again, _ = prepared(tmp_path, *many[1_000:], dev_share=0.1)
    assert set(again.filter(split="dev")["title"]) == dev & {row["title"] for row in many[1_000:]}
    questions = read_questions(tmp_path / "prepared.parquet")
    assert 20 < sum(question.split == "tune" for question in questions) < 80
    assert "dev" not in prepared(tmp_path, *many)[1]["split"]


def test_no_text_of_a_question_and_no_secret_is_in_the_report(tmp_path: Path) -> None:
    rows, report = prepared(
        tmp_path, {"title": "Mail to anna@post-amt.de fails", "body": f"`{KEYS[0]}` " + LONG, "body_format": "markdown"}
    )
    assert rows["title"][0] == f"Mail to {REDACTED} fails"
    assert {"e-mail address taken out", "key taken out"} < report["changed"].keys()
    written = Path(f"{tmp_path}/prepared.parquet{REPORT}").read_text() + format_report(report)
    assert "anna" not in written
    assert "fails" not in written


def test_a_file_without_any_question_is_refused(tmp_path: Path) -> None:
    with pytest.raises(QuestionsError, match="None of the 2 rows is a question: it has no title"):
        prepared(tmp_path, {"title": ""}, {"title": " "})


def test_what_is_prepared_reads_like_what_was_raw(tmp_path: Path) -> None:
    """A model must see the same words of a question, whether it was prepared or not."""
    rows: list[dict[str, object]] = [
        {
            "title": f"Question number {i}",
            "body": f"<p>I use <code>x{i}</code>.</p><pre>call_{i}(&lt;a&gt;)</pre><p>End</p>",
            "body_format": "html",
        }
        for i in range(30)
    ]
    prepared(tmp_path, *rows)
    raw, made = (read_questions(tmp_path / name) for name in ("raw.parquet", "prepared.parquet"))
    assert [(q.title, sorted(q.body.split()), q.tags, q.split) for q in raw] == [
        (q.title, sorted(q.body.split()), q.tags, q.split) for q in made
    ]
