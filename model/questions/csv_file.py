"""Questions from a CSV file of data.stackexchange.com: Title, Body, Tags and, if it has them, Id and CreationDate.

The query for the 50,000 most viewed questions with an answer and five tags, to run on
https://data.stackexchange.com/stackoverflow/query/new and to download as CSV::

    SELECT TOP 50000 Id, Title, Body, Tags, CreationDate
    FROM Posts
    WHERE PostTypeId = 1 AND AnswerCount > 0 AND LEN(Tags) - LEN(REPLACE(Tags, '<', '')) = 5
    ORDER BY ViewCount DESC, Id
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final

from model.questions import QuestionsError
from model.questions.posts import BadRow, Batch, Post, Refused, beginning, frame, kind_of, post_of

ROWS_AT_ONCE: Final = 20_000
FIELD_CHARS: Final = 1_000_000
"""Characters of a field from which on its closing quote must be missing; a body has up to 30,000 and its markup."""
SEPARATORS: Final = {"comma": ",", "semicolon": ";", "tab": "\t"}
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


class CsvFile:
    """A CSV file as a source; bodies are HTML, as the Stack Exchange sites publish them.

    Attributes:
        length: bytes of the file.
    """

    length: int

    def __init__(self, path: Path, separator: str = ",") -> None:
        """Check the file's beginning: it must be text, with the columns Title and Tags.

        Raises:
            QuestionsError: it is missing, empty or binary, has another separator, or lacks a column.
        """
        csv.field_size_limit(FIELD_CHARS)
        self.path = path
        self.separator = separator
        self.length, start = beginning(path)
        if kind := kind_of(start):
            raise QuestionsError(f"{path} is {kind}, not CSV.")
        with path.open("rb") as file:
            file.seek(len(_BYTE_ORDER_MARK) if start.startswith(_BYTE_ORDER_MARK) else 0)
            header = next(_rows(file, separator, 0), None)
        if header is None or isinstance(header.values, str):
            raise QuestionsError(f"{path} has no header: {header.values if header else 'it is empty'}.")
        self._columns = self._checked(header.values)
        self._start = [header.end, header.lines]

    def _checked(self, header: list[str]) -> list[str]:
        columns = [name.strip().lower() for name in header]
        missing = [name for name in ("title", "tags") if name not in columns]
        if not missing:
            return columns
        text = self.separator.join(header).lower()
        for name, mark in SEPARATORS.items():
            if mark != self.separator and {"title", "tags"} <= {column.strip(' "') for column in text.split(mark)}:
                raise QuestionsError(f"{self.path} has a {name} between its columns: give --separator {name}.")
        raise QuestionsError(
            f"{self.path} lacks the columns {', '.join(missing)}. Its first line is: {', '.join(header)[:200]}"
        )

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a position: ``[byte, lines before it]``."""
        first_byte, lines = after or self._start
        posts: list[Post] = []
        refused: list[Refused] = []
        with self.path.open("rb") as file:
            file.seek(first_byte)
            for row in _rows(file, self.separator, lines):
                try:
                    posts.append(self._post(row.values))
                except BadRow as bad:
                    refused.append(Refused(f"{self.path.name}, line {row.first_line}", str(bad)))
                if len(posts) + len(refused) >= ROWS_AT_ONCE or row.end == self.length:
                    yield Batch(frame(posts), tuple(refused), [row.end, row.lines], row.end)
                    posts, refused = [], []
        if posts or refused:
            yield Batch(frame(posts), tuple(refused), [self.length, row.lines], self.length)

    def _post(self, values: list[str] | str) -> Post:
        if isinstance(values, str):
            raise BadRow(f"it is broken CSV: {values}")
        if len(values) != len(self._columns):
            raise BadRow(f"it has {len(values)} fields, and the header has {len(self._columns)}")
        return post_of(dict(zip(self._columns, values, strict=True)), self.path.stem, "html")


@dataclass(frozen=True, slots=True)
class _Row:
    """A row's values, or what is wrong with it; its first line, and the byte and the number of lines at its end."""

    values: list[str] | str
    first_line: int
    end: int
    lines: int


def _rows(file: BinaryIO, separator: str, lines: int) -> Iterator[_Row]:
    """Read rows up to the end; a broken one costs itself only, as far as its quotes allow."""
    reader = csv.reader(_decoded(file), delimiter=separator, strict=True)
    while True:
        first_line = lines + reader.line_num + 1
        values: list[str] | str
        try:
            values = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            values = str(error)
        if values:  # an empty line is no row
            yield _Row(values, first_line, file.tell(), lines + reader.line_num)


def _decoded(file: BinaryIO) -> Iterator[str]:
    # A byte that is not UTF-8 becomes a lone surrogate, which refuses its row and no other.
    return (line.decode("utf-8", "surrogateescape") for line in iter(file.readline, b""))
