"""A question as its source has it, and what every source does with rows that are none."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar

import polars as pl

from model.questions import QuestionsError
from model.questions.tags import TagsError, read_tags
from model.questions.values import is_empty, read_flag, read_number, read_year, without_controls
from model.serving.text import BODY_FORMATS

T = TypeVar("T")

MOST_TAGS: Final = 10
"""Tags of a question; Stack Overflow allows five, and merged or renamed ones have left questions with more."""
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

REQUIRED: Final = ("title", "tags")
READ: Final = frozenset([*COLUMNS, "id", "creationdate", "creation_date"])
"""The columns of any table that are read, in lower case."""

BINARY: Final = "a binary file"
_KINDS: Final = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a ZIP archive or an Excel file",
    b"7z\xbc\xaf": "a 7z archive",
    b"\x1f\x8b": "a gzip archive",
    b"SQLite": "an SQLite database",
    b"<?xml": "an XML file",
}
_SPLITS: Final = {"train": "train", "training": "train"} | dict.fromkeys(
    ["dev", "test", "val", "valid", "validation", "eval"], "dev"
)

NO_YEAR: Final = "kept without its date, which cannot be read"
NO_NUMBER: Final = "kept without its number, which cannot be read"
NO_BODY: Final = "kept without its body, which is not text"
UNKNOWN_FORMAT: Final = f"kept without its body, whose body_format is none of {', '.join(BODY_FORMATS)} and none"
UNKNOWN_SPLIT: Final = "kept apart as dev: its split is neither train nor dev"
UNKNOWN_FLAG: Final = "taken as complete: its tags_complete is neither true nor false"
CONTROLS: Final = "kept without its control characters"
NOT_UTF8: Final = "kept with its bytes that are not UTF-8 read as Windows-1252"

AddNote = Callable[[str], object]
"""Is called with what was left out of a row."""
RowNotes = dict[str, list[int]]
"""Numbers of rows by what was done to them."""


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
    in their source. ``noted`` says what was left out of rows that were kept, ``notices`` what else is to be said once.
    """

    rows: pl.DataFrame
    refused: tuple[Refused, ...]
    position: Any
    done: int
    numbers: tuple[int, ...] = ()
    noted: RowNotes = field(default_factory=dict)
    notices: tuple[str, ...] = ()


class BatchReader:
    """Reads the rows of a source into batches: what is a question is kept, the rest refused with the reason."""

    def __init__(self, source: str, notices: tuple[str, ...] = ()) -> None:
        """Begin with nothing; bodies are HTML and the questions are of ``source`` where a row does not say it."""
        self._source = source
        self._notices = notices
        self._clear()

    def _clear(self) -> None:
        self._posts: list[Post] = []
        self._numbers: list[int] = []
        self._refused: list[Refused] = []
        self._noted: RowNotes = {}

    def __len__(self) -> int:
        return len(self._posts) + len(self._refused)

    def read(self, row: Mapping[str, Any], place: str, number: int, notes: Sequence[str] = ()) -> None:
        """Keep a row as a question, or refuse it.

        Args:
            place: where it is, for people.
            number: which of the source's rows it is.
            notes: what was done to it before.
        """
        noted = dict.fromkeys(notes)
        try:
            self._posts.append(parse_post(row, self._source, "html", noted.setdefault))
        except BadRow as bad:
            self.refuse(place, str(bad))
            return
        self._numbers.append(number)
        for note in noted:
            self._noted.setdefault(note, []).append(number)

    def refuse(self, place: str, reason: str) -> None:
        """Refuse a row."""
        self._refused.append(Refused(place, reason))

    def batch(self, position: Any, done: int) -> Batch:
        """Return what was read since the last batch, and begin the next one."""
        numbers, refused = tuple(self._numbers), tuple(self._refused)
        batch = Batch(posts_frame(self._posts), refused, position, done, numbers, self._noted, self._notices)
        self._clear()
        return batch


class Source(Protocol):
    """Where questions come from. ``length`` is in bytes, rows or pages, for progress; 0 if nobody knows."""

    @property
    def length(self) -> int:
        """How much there is to read."""

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read what comes after a position, or all if it is None."""


def read_start(path: Path) -> tuple[int, bytes]:
    """Return a file's size in bytes, and its first bytes.

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


def detect_kind(start: bytes) -> str:
    """Name what a file is that begins so, if it is no plain text; else give an empty text."""
    known = next((kind for magic, kind in _KINDS.items() if start.startswith(magic)), "")
    # Old posts have a NUL here and there; every second byte is one in UTF-16, and many are in what is no text.
    return known or (BINARY if start.count(0) * 10 > len(start) else "")


def posts_frame(posts: Sequence[Post]) -> pl.DataFrame:
    """Put posts into a frame with ``COLUMNS``."""
    columns = {field.name: [getattr(post, field.name) for post in posts] for field in fields(Post)}
    return pl.DataFrame(columns, schema=COLUMNS, strict=False)


def parse_post(row: Mapping[str, Any], source: str, body_format: str, note: AddNote = lambda reason: None) -> Post:
    """Make a post of a row with the columns of the Stack Exchange sites, or with ours.

    Columns: ``title`` and ``tags`` (see ``model.questions.tags``) must be there; ``body``, ``body_format``,
    ``tags_complete``, ``year`` or ``creationdate``, ``question_id`` or ``id``, ``source`` and ``split`` may be. One
    of these that cannot be read counts as empty.

    Args:
        row: values by column; names in lower case.
        source: the name of the source, where the row has none.
        body_format: the format of the body, where the row has none.
        note: called with what was left out.

    Raises:
        BadRow: the row is no question: it has no title, or no tags.
    """
    title = _title(row.get("title"), note)
    body, form = _body(row, body_format, note)
    return Post(
        title=title,
        body=body,
        body_format=form,
        tags=parse_tags(row.get("tags")),
        tags_complete=_optional(row, ("tags_complete",), read_flag, UNKNOWN_FLAG, note) is not False,
        year=_optional(row, ("year", "creationdate", "creation_date"), read_year, NO_YEAR, note),
        question_id=_optional(row, ("question_id", "id"), read_number, NO_NUMBER, note),
        source=_clean(_text(row.get("source")) or "", note) or source,
        split=_split(row.get("split"), note),
    )


def parse_tags(value: Any) -> tuple[str, ...]:
    """Read the tags of a question, as ``read_tags`` does.

    Raises:
        BadRow: there is none, there are too many, or one can be no tag.
    """
    try:
        tags = read_tags(value)
    except TagsError as error:
        raise BadRow(str(error)) from error
    if not tags:
        raise BadRow("it has no tags")
    if len(tags) > MOST_TAGS:
        raise BadRow(f"it has {len(tags)} tags, more than {MOST_TAGS}")
    return tags


def _title(value: object, note: AddNote) -> str:
    text = _text(value)
    if text is None:
        raise BadRow(f"its title is {type(value).__name__}, not text")
    title = _clean(text, note).strip()
    if not title:
        raise BadRow("it has no title")
    return title


def _body(row: Mapping[str, Any], body_format: str, note: AddNote) -> tuple[str, str]:
    """Return the body and its format; empty and ``none`` if there is none that can be read."""
    body = _text(row.get("body"))
    form = str(row.get("body_format") or body_format).strip().lower()
    if body is None:
        note(NO_BODY)
    elif form not in (*BODY_FORMATS, "none"):
        note(UNKNOWN_FORMAT)
    elif body.strip():
        return _clean(body, note), form
    return "", "none"


def _split(value: object, note: AddNote) -> str:
    if is_empty(value):
        return "train"
    split = _SPLITS.get(str(value).strip().lower())
    if split is None:
        note(UNKNOWN_SPLIT)
    return split or "dev"  # never trained on, if it may have been kept apart


def _text(value: object) -> str | None:
    """Return a value as text, empty if it is missing, or None if it is something else."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    return "" if is_empty(value) else value if isinstance(value, str) else None


def _clean(text: str, note: AddNote) -> str:
    clean = without_controls(text)
    if clean != text:
        note(CONTROLS)
    return clean


def _optional(
    row: Mapping[str, Any],
    names: Sequence[str],
    read: Callable[[object], T],
    reason: str,
    note: AddNote,
) -> T | None:
    """Read the first of some columns that can be read; None if there is none, with a note if one is not empty."""
    values = [row[name] for name in names if not is_empty(row.get(name))]
    for value in values:
        with suppress(ValueError):
            return read(value)
    if values:
        note(reason)
    return None
