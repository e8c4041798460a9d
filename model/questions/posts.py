"""A question as its source has it, and what every source does with rows that are none."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from html import unescape
from pathlib import Path
from typing import Any, Final, Protocol

import polars as pl

from model.questions import QuestionsError
from model.text import BODY_FORMATS

YEARS: Final = range(2008, 2101)
"""Years that a question can be of: Stack Overflow began in the first."""
MOST_TAGS: Final = 10
"""Tags of a question; Stack Overflow allows five, and merged or renamed ones have left questions with more."""
TAG_CHARS: Final = 35
"""Characters of a tag's name that the Stack Exchange sites allow."""

COLUMNS: Final[dict[str, pl.DataType]] = {
    "title": pl.String(),
    "body": pl.String(),
    "body_format": pl.String(),
    "tags": pl.List(pl.String()),
    "tags_complete": pl.Boolean(),
    "year": pl.Int16(),
    "question_id": pl.Int64(),
    "source": pl.String(),
    "split": pl.String(),
}
"""The columns of a file of questions, whatever its source."""

_KINDS: Final = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel file",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite": "an SQLite database",
    b"<?xml": "an XML file",
}
_TAG: Final = re.compile(r"[^\s<>|,;]+")
_YEAR: Final = re.compile(r"(\d{4})(?:-\d{2}-\d{2}|$)")


class BadRow(Exception):
    """A row is no question; the message says why."""


@dataclass(frozen=True, slots=True)
class Post:
    """A question as posted: its body has markup as ``body_format`` says (``none``: the source has no body)."""

    title: str
    body: str
    body_format: str
    tags: tuple[str, ...]
    tags_complete: bool
    year: int | None
    question_id: int | None
    source: str
    split: str


@dataclass(frozen=True, slots=True)
class Refused:
    """A row that is no question: where it is in its source, and why it was refused."""

    place: str
    reason: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Some rows of a source.

    ``rows`` has ``COLUMNS``. ``position`` is what ``Source.batches`` needs to go on after this batch; JSON holds it.
    ``done`` is how far the batch brings the reader, in units of ``Source.length``. ``numbers`` are those of the rows
    in their source, from 1, if it is a Parquet file.
    """

    rows: pl.DataFrame
    refused: tuple[Refused, ...]
    position: Any
    done: int
    numbers: tuple[int, ...] = ()


class Source(Protocol):
    """Where questions come from. ``length`` is in bytes, rows or pages, for progress; 0 if nobody knows."""

    @property
    def length(self) -> int:
        """How much there is to read."""

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read what comes after a position, or all if it is None."""


def beginning(path: Path) -> tuple[int, bytes]:
    """Give a file's size in bytes, and its first bytes.

    Raises:
        QuestionsError: there is no such file, or it is empty.
    """
    if not path.is_file():
        raise QuestionsError(f"There is no file {path}.")
    with path.open("rb") as file:
        start = file.read(4096)
    if not start:
        raise QuestionsError(f"{path} is empty.")
    return path.stat().st_size, start


def kind_of(start: bytes) -> str:
    """Name what a file is that begins so, if it is no plain text; else give an empty text."""
    known = next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), "")
    return known or ("a binary file" if b"\0" in start else "")


def frame(posts: Sequence[Post]) -> pl.DataFrame:
    """Put posts into a frame with ``COLUMNS``."""
    columns = {field.name: [getattr(post, field.name) for post in posts] for field in fields(Post)}
    return pl.DataFrame(columns, schema=COLUMNS, strict=False)


def post_of(row: Mapping[str, Any], source: str, body_format: str) -> Post:
    """Make a post of a row with the columns of the Stack Exchange sites, or with ours.

    Columns: ``title``, ``tags`` (``<a><b>``, ``|a|b|``, names with spaces or commas between, or a list) must be there;
    ``body``, ``body_format``, ``tags_complete``, ``year`` or ``creationdate``, ``question_id`` or ``id``, ``source``
    and ``split`` may be.

    Args:
        row: values by column; names in lower case.
        source: the name of the source, where the row has none.
        body_format: the format of the body, where the row has none.

    Raises:
        BadRow: the row is no question.
    """
    title = _text(row, "title").strip()
    if not title:
        raise BadRow("it has no title")
    body = _text(row, "body")
    form = _text(row, "body_format") or (body_format if body.strip() else "none")
    if form not in (*BODY_FORMATS, "none"):
        raise BadRow(f"its body_format {form!r} is none of {', '.join(BODY_FORMATS)} and none")
    split = _text(row, "split") or "train"
    if split not in ("train", "dev"):
        raise BadRow(f"its split {split!r} is neither train nor dev")
    complete = row.get("tags_complete")
    if complete not in (None, True, False):
        raise BadRow(f"its tags_complete {complete!r} is neither true nor false")
    return Post(
        title=title,
        body=body,
        body_format=form,
        tags=tags_of(row.get("tags")),
        tags_complete=complete is None or bool(complete),
        year=_year(row),
        question_id=_number(row),
        source=_text(row, "source") or source,
        split=split,
    )


def tags_of(value: Any) -> tuple[str, ...]:
    """Read tags as a list or as text: ``<a><b>``, ``|a|b|``, or names with spaces or commas between.

    Raises:
        BadRow: there is none, there are too many, or one can be no tag.
    """
    if isinstance(value, str):
        named = _TAG.findall(unescape(value))
    elif isinstance(value, list | tuple) and all(isinstance(tag, str | None) for tag in value):
        named = [tag.strip() for tag in value if tag and tag.strip()]
    elif value is None:
        named = []
    else:
        raise BadRow(f"its tags are {type(value).__name__}, not text or a list of texts")
    tags = tuple(dict.fromkeys(tag.lower() for tag in named))
    if not tags:
        raise BadRow("it has no tags")
    if len(tags) > MOST_TAGS:
        raise BadRow(f"it has {len(tags)} tags, more than {MOST_TAGS}")
    for tag in tags:
        if len(tag) > TAG_CHARS or not _TAG.fullmatch(tag):
            raise BadRow(f"its tag {tag[: TAG_CHARS + 1]!r} can be no tag")
    return tags


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadRow(f"its {name} is {type(value).__name__}, not text")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise BadRow(f"its {name} is not UTF-8") from error
    return value


def _first(row: Mapping[str, Any], *names: str) -> Any:
    return next((row[name] for name in names if row.get(name) not in (None, "")), None)


def _year(row: Mapping[str, Any]) -> int | None:
    """Read the year: a number, a date, or a text that begins with one."""
    value = _first(row, "year", "creationdate", "creation_date")
    if value is None:
        return None
    if isinstance(value, date):
        year = value.year
    elif isinstance(value, int):
        year = value
    else:
        found = _YEAR.match(str(value))
        if not found:
            raise BadRow(f"its date {str(value)[:40]!r} has no year at its beginning")
        year = int(found[1])
    if year not in YEARS:
        raise BadRow(f"its year {year} is not between {YEARS[0]} and {YEARS[-1]}")
    return year


def _number(row: Mapping[str, Any]) -> int | None:
    value = _first(row, "question_id", "id")
    if value is None:
        return None
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if not 0 < number < 2**63:
        raise BadRow(f"its number {str(value)[:40]!r} is no question's number")
    return number
