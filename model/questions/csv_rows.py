"""Rows of CSV as spreadsheets and query tools write it; only the standard library is used.

Seen by itself: UTF-8, with single bytes of Windows-1252, or UTF-16 in either byte order; LF, CRLF or CR alone; commas,
semicolons or tabs; a first line ``sep=;``, as Excel has it.
"""

import codecs
import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final

from model.questions.columns import Columns
from model.questions.values import decode_escaped_bytes

SEPARATORS: Final = {"comma": ",", "semicolon": ";", "tab": "\t"}
FIELD_CHARS: Final = 1_000_000
"""Characters of a field from which on its closing quote must be missing; a body has up to 30,000 and its markup."""
_MARKS: Final = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
_NAMED_SEPARATOR: Final = re.compile(r'"?sep=(.)"?[\s,;]*', re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CsvRow:
    """A row: its values, or none and what is wrong with it; its first line, and whether all its bytes were UTF-8."""

    values: list[str]
    broken: str
    line: int
    is_utf8: bool


def detect_encoding(start: bytes) -> str:
    """Return the encoding of a table that begins so: UTF-16 by its mark or by the NULs in its header, else UTF-8."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    first, second = start[:16:2], start[1:16:2]
    if len(second) >= 4:
        if not any(second) and all(first):
            return "utf-16-le"
        if not any(first) and all(second):
            return "utf-16-be"
    return "utf-8"


class CsvTable:
    """A CSV file.

    Attributes:
        header: the names of all columns as they are written; empty if the file is.
        columns: those that are read.
        separator: what is between columns.
    """

    header: list[str]
    columns: Columns
    separator: str

    def __init__(self, path: Path, wanted: Collection[str], separator: str | None = None) -> None:
        """Read the header.

        Args:
            wanted: names of columns, in lower case.
            separator: what is between columns; if None, what gives the most of the wanted ones.

        Raises:
            OSError: the file cannot be read.
        """
        self._path = path
        with path.open("rb") as file:
            self._encoding = detect_encoding(file.read(64))
            named = _NAMED_SEPARATOR.fullmatch(self._text(file).readline())
        self._skipped_lines = 1 if named else 0
        separator = separator or (named[1] if named else None)
        candidates = [separator] if separator else list(SEPARATORS.values())
        headers = {candidate: self.header_with(candidate) for candidate in candidates}
        self.separator = max(candidates, key=lambda candidate: len(Columns(headers[candidate], wanted).places))
        self.header = headers[self.separator]
        self.columns = Columns(self.header, wanted)

    def header_with(self, separator: str) -> list[str]:
        """Return the names of the columns if that is the separator."""
        with self._path.open("rb") as file:
            return next((row.values for row in self._rows(file, separator)), [])

    def rows(self, file: BinaryIO, skip: int = 0) -> Iterator[CsvRow]:
        """Read the rows of the opened file after the header and the first so many; empty lines are none."""
        rows = self._rows(file, self.separator)
        for number, row in enumerate(rows):
            if number > skip:
                yield row

    def _text(self, file: BinaryIO) -> TextIOWrapper:
        file.seek(0)
        errors = "surrogateescape" if self._encoding.startswith("utf-8") else "replace"
        return TextIOWrapper(file, self._encoding, errors, newline="")

    def _rows(self, file: BinaryIO, separator: str) -> Iterator[CsvRow]:
        """Read rows from the header to the end; a broken one costs itself only, as far as its quotes allow."""
        csv.field_size_limit(FIELD_CHARS)
        lines = iter(self._text(file))
        for _ in range(self._skipped_lines):
            next(lines)
        reader = csv.reader(lines, delimiter=separator, strict=True)
        while True:
            line = self._skipped_lines + reader.line_num + 1
            try:
                escaped = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield CsvRow([], f"it is broken CSV: {error}", line, True)
                continue
            values = list(map(decode_escaped_bytes, escaped))
            if values:
                yield CsvRow(values, "", line, values == escaped)
