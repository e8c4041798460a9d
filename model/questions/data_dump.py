"""Questions from the data dump's Posts.xml: its ``<row …/>`` elements, read by byte ranges in several processes.

The file of the whole of Stack Overflow has about 100 GB: no more than a range for each process is in memory. Nothing is
taken for granted about lines: a file may have all rows in one, or one row in several.
"""

import os
import re
import sys
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, BinaryIO, Final
from xml.parsers import expat

from model.questions import QuestionsError
from model.questions.posts import CONTROLS, NOT_UTF8, BadRow, Batch, BatchReader, detect_kind, read_start
from model.questions.values import decode_escaped_bytes, without_controls
from model.runs.workers import worker_pool

RANGE: Final = 32 * 2**20
"""Bytes of a range: about 12,000 questions."""
_BLOCK: Final = 2**16
_ROW: Final = re.compile(rb"<row(?=[\s/>])")
_QUESTION: Final = re.compile(rb"""PostTypeId\s*=\s*["']1["']""")
"""In a row that may be a question: answers, which are more, need not be parsed."""
_CHARACTER: Final = re.compile(r"&#(?!x[9AD];)(?:x([0-9a-fA-F]{1,8})|([0-9]{1,8}));")
"""A reference to a character, but the tabs and ends of lines of which bodies are full."""
_COLUMNS: Final = {"Title": "title", "Body": "body", "Tags": "tags", "Id": "id", "CreationDate": "creationdate"}


class DataDump:
    """Posts.xml as a source; answers and other posts are passed over.

    Attributes:
        length: bytes of the file.
    """

    length: int

    def __init__(self, path: Path, processes: int | None = None) -> None:
        """Check the file's beginning.

        Args:
            processes: how many read at once; by default as many as there are cores for us.

        Raises:
            QuestionsError: it is missing, empty, packed, or not XML.
        """
        self.path = path
        self.length, start = read_start(path)
        kind = detect_kind(start)
        if kind not in ("", "an XML file"):
            unpack = " Unpack it first: 7z x." if kind == "a 7z archive" else ""
            raise QuestionsError(f"{path} is {kind}, not Posts.xml.{unpack}")
        if b"<" not in start:
            raise QuestionsError(f"{path} is no XML. Give the file Posts.xml of a data dump.")
        self._processes = processes or len(os.sched_getaffinity(0))

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a byte. The ranges are read at once and given in their order."""
        starts = iter(range(after or 0, self.length, RANGE))
        with worker_pool(self._processes) as pool:
            waiting: deque[Future[Batch]] = deque()
            while True:
                while len(waiting) <= self._processes and (start := next(starts, None)) is not None:
                    waiting.append(pool.submit(read_range, self.path, start, min(start + RANGE, self.length)))
                if not waiting:
                    return
                yield waiting.popleft().result()


def read_range(path: Path, first: int, end: int) -> Batch:
    """Read the questions whose rows begin in [first, end)."""
    reader = BatchReader(path.parent.name or path.stem)
    with path.open("rb") as file:
        content = _read_whole_elements(file, first, end)
        for start in _ROW.finditer(content):
            if start.start() >= end - first:
                break
            closing = content.find(b"<", start.end())
            row = content[start.start() : closing if closing >= 0 else len(content)]
            if _QUESTION.search(row):
                _read_row(row, reader, path.name, first + start.start())
        if end == file.seek(0, os.SEEK_END):
            file.seek(max(end - 64, 0))
            if not file.read().rstrip().endswith(b"</posts>"):
                reader.refuse(f"{path.name}, end", "it ends without </posts>: it was cut off, and rows are missing")
    return reader.batch(end, end)


def _read_whole_elements(file: BinaryIO, first: int, end: int) -> bytes:
    """Read [first, end), and on to the ``<`` after it: no ``<`` is inside an element, so the last one is whole."""
    file.seek(first)
    blocks = [file.read(end - first)]
    for _ in range(RANGE // _BLOCK):  # a bound for what is no XML
        block = file.read(_BLOCK)
        blocks.append(block)
        if not block or b"<" in block:
            break
    return b"".join(blocks)


def _read_row(row: bytes, reader: BatchReader, name: str, first: int) -> None:
    place = f"{name}, byte {first:,}"
    escaped = row.decode("utf-8", "surrogateescape")
    text = decode_escaped_bytes(escaped)
    clean = without_controls(_CHARACTER.sub(_drop_control, text))
    notes = [note for note, before, after in ((NOT_UTF8, escaped, text), (CONTROLS, text, clean)) if before != after]
    try:
        attributes = _parse_attributes(clean.rstrip())
    except BadRow as bad:
        reader.refuse(place, str(bad))
        return
    if attributes.get("PostTypeId") == "1":
        columns = {column: attributes[key] for key, column in _COLUMNS.items() if key in attributes}
        reader.read(columns, place, first, notes)


def _drop_control(reference: re.Match[str]) -> str:
    """Return a reference to a character, or nothing if XML cannot have the character; the oldest posts have some."""
    number = int(reference[1], 16) if reference[1] else int(reference[2])
    return reference[0] if number <= sys.maxunicode and without_controls(chr(number)) else ""


def _parse_attributes(row: str) -> dict[str, str]:
    """Return the attributes of a row.

    Raises:
        BadRow: it is no whole ``<row …/>`` or ``<row …>``.
    """
    attributes: dict[str, str] = {}
    parser = expat.ParserCreate()
    parser.StartElementHandler = lambda name, values: attributes.update(values)
    try:
        parser.Parse(row if row.endswith("/>") else f"{row}</row>", True)
    except expat.ExpatError as error:
        raise BadRow(f"its XML is broken: {expat.errors.messages[error.code]}") from error
    return attributes
