"""A row is refused if it has no title or no tags; what else cannot be read is left out, and said."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from model.questions.posts import (
    CONTROLS,
    NO_BODY,
    NO_NUMBER,
    NO_YEAR,
    UNKNOWN_FLAG,
    UNKNOWN_FORMAT,
    UNKNOWN_SPLIT,
    BadRow,
    parse_post,
)
from model.questions.values import read_number, read_year


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [({"title": "  "}, "no title"), ({"title": None}, "no title"), ({"title": 3}, "title is int"),
     ({"title": "\x00\ud800"}, "no title"), ({"tags": ""}, "no tags"), ({"tags": 3}, "tags are int"),
     ({"tags": "a" * 36}, "can be no tag"), ({"tags": ["a b"]}, "can be no tag"),
     ({"tags": " ".join("abcdefghijkl")}, "12 tags")],
)  # fmt: skip
def test_a_row_without_title_or_tags_says_why(spoil: dict[str, object], reason: str) -> None:
    with pytest.raises(BadRow, match=reason):
        parse_post({"title": "T", "tags": "<a>"} | spoil, "s", "html")


@pytest.mark.parametrize(
    ("spoil", "field", "value", "note"),
    [({"creationdate": "yesterday"}, "year", None, NO_YEAR), ({"year": 1999}, "year", None, NO_YEAR),
     ({"creationdate": True}, "year", None, NO_YEAR), ({"creationdate": "5/1 10:11"}, "year", None, NO_YEAR),
     ({"creationdate": "10:11 5/12/13"}, "year", 2013, ""), ({"creationdate": "00:11.4"}, "year", None, NO_YEAR),
     ({"creationdate": "########"}, "year", None, NO_YEAR), ({"creationdate": "#N/A", "id": ""}, "year", None, NO_YEAR),
 ({"year": "?", "creationdate": "2.3.2016"}, "year", 2016, ""),
     ({"id": "x1"}, "question_id", None, NO_NUMBER), ({"question_id": -4}, "question_id", None, NO_NUMBER),
     ({"id": "7.5"}, "question_id", None, NO_NUMBER), ({"id": 7.0}, "question_id", 7, ""),
     ({"body": "x", "body_format": "rtf"}, "body", "", UNKNOWN_FORMAT), ({"body": 3}, "body_format", "none", NO_BODY),
     ({"body": "x", "body_format": "HTML"}, "body_format", "html", ""), ({"body": b"<p>x</p>"}, "body", "<p>x</p>", ""),
     ({"split": "test"}, "split", "dev", ""), ({"split": "fold-3"}, "split", "dev", UNKNOWN_SPLIT),
     ({"split": "Train"}, "split", "train", ""), ({"tags_complete": "some"}, "tags_complete", True, UNKNOWN_FLAG),
     ({"tags_complete": "FALSE"}, "tags_complete", False, ""), ({"tags_complete": 0}, "tags_complete", False, ""),
     ({"body": "a\x1b\ud800b"}, "body", "ab", CONTROLS),
     ({"title": "Two\x0e lines\n"}, "title", "Two lines", CONTROLS)],
)  # fmt: skip
def test_a3_what_is_optional_and_unreadable_is_empty_and_said(
    spoil: dict[str, object], field: str, value: object, note: str
) -> None:
    notes: list[str] = []
    post = parse_post({"title": "T", "tags": "<a>"} | spoil, "s", "html", notes.append)
    assert getattr(post, field) == value
    assert notes == [note] * bool(note)


@pytest.mark.parametrize(
    "date",
    ["11/29/2015 23:59", "29.11.2015", "2015-11-29T23:59:00Z", "2015-11-29 23:59:00.2031", "11/29/15 23:59",
     "29.11.15", "29-Nov-15", "Nov 29, 2015 11:59 PM", "20151129", "20151129235900", "42337", "42337.9993",
     "42337,9993", "2015", "2015.0", "1448841540", "1.44884E+09",
     1448841540000, 42337.5, 2015, Decimal(2015), datetime(2015, 11, 29, tzinfo=UTC)],
)  # fmt: skip
def test_a3_the_year_of_a_date_is_read_however_a_spreadsheet_writes_it(date: object) -> None:
    assert read_year(date) == 2015


@pytest.mark.parametrize(
    ("written", "number"),
    [("34567", 34567), ("34567.0", 34567), ("34567,00", 34567), (" 34,567 ", 34567), ("1.234.567", 1234567),
     ("34\u202f567", 34567), ("3.4567E+04", 34567), ("3.4567000E+4", 34567), (34567.0, 34567),
     (Decimal("34567"), 34567)],
)  # fmt: skip
def test_a3_a_number_is_read_however_a_spreadsheet_writes_it(written: object, number: int) -> None:
    assert read_number(written) == number


def test_a3_a_number_that_a_spreadsheet_rounded_is_of_another_question() -> None:
    with pytest.raises(ValueError, match="rounded"):
        read_number("3.5E+04")
