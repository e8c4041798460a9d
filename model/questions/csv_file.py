"""Questions from a CSV file of data.stackexchange.com: Title, Body, Tags and, if it has them, Id and CreationDate.

The query for the 50,000 most viewed questions with an answer and five tags, to run on
https://data.stackexchange.com/stackoverflow/query/new and to download as CSV::

    SELECT TOP 50000 Id, Title, Body, Tags, CreationDate
    FROM Posts
    WHERE PostTypeId = 1 AND AnswerCount > 0 AND LEN(Tags) - LEN(REPLACE(Tags, '<', '')) = 5
    ORDER BY ViewCount DESC, Id
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from model.questions import QuestionsError
from model.questions.columns import Columns
from model.questions.csv_rows import SEPARATORS, CsvRow, CsvTable, detect_encoding
from model.questions.posts import BINARY, NOT_UTF8, READ, REQUIRED, Batch, BatchReader, detect_kind, read_start

ROWS_AT_ONCE: Final = 20_000


class CsvFile:
    """A CSV file as a source; bodies are HTML, as the Stack Exchange sites publish them.

    Attributes:
        length: bytes of the file.
    """

    length: int

    def __init__(self, path: Path, separator: str | None = None) -> None:
        """Check the file's beginning: it must be text, with the columns Title and Tags.

        Args:
            separator: what is between columns; found by itself if it is None.

        Raises:
            QuestionsError: it is missing, empty or binary, has another separator, or lacks a column.
        """
        self.path = path
        self.length, start = read_start(path)
        kind = detect_kind(start)
        if kind and not (kind == BINARY and detect_encoding(start).startswith("utf-16")):
            raise QuestionsError(f"{path} is {kind}, not CSV.")
        self._table = CsvTable(path, READ, separator)
        self._check_columns()

    def _check_columns(self) -> None:
        missing = self._table.columns.missing(*REQUIRED)
        if not missing:
            return
        if not self._table.header:
            raise QuestionsError(f"{self.path} has no header: its first line is broken CSV, or there is none.")
        for name, separator in SEPARATORS.items():
            if not CsvTable(self.path, READ, separator).columns.missing(*REQUIRED):
                raise QuestionsError(
                    f"{self.path} has a {name} between its columns: give --separator {name}, or leave it out."
                )
        raise QuestionsError(
            f"{self.path} lacks the columns {', '.join(missing)}. "
            f"Its first line is: {Columns.listed(self._table.header)}."
        )

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a number of rows."""
        done = after or 0
        reader = BatchReader(self.path.stem, self._table.columns.notices(self.path.name))
        with self.path.open("rb") as file:
            for row in self._table.rows(file, skip=done):
                self._read(row, reader)
                done += 1
                if len(reader) >= ROWS_AT_ONCE:
                    yield reader.batch(done, file.tell())
            yield reader.batch(done, self.length)

    def _read(self, row: CsvRow, reader: BatchReader) -> None:
        place, columns, width = f"{self.path.name}, line {row.line}", self._table.columns, len(self._table.header)
        if row.broken:
            reader.refuse(place, row.broken)
        elif columns.lacks(row.values, *REQUIRED) or any(row.values[width:]):
            reader.refuse(place, f"it has {len(row.values)} fields, and the header has {width}")
        else:
            reader.read(columns.row(row.values), place, row.line, () if row.is_utf8 else (NOT_UTF8,))
