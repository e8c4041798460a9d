"""Questions from the data dump's Posts.xml: one ``<row …/>`` a line, read by byte ranges in several processes.

The file of the whole of Stack Overflow has about 100 GB: no more than a range for each process is in memory.
"""

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Final
from xml.parsers import expat

from model.questions import QuestionsError
from model.questions.posts import BadRow, Batch, Post, Refused, beginning, frame, kind_of, post_of
from model.workers import workers

RANGE: Final = 32 * 2**20
"""Bytes of a range: about 12,000 questions."""
_QUESTION: Final = b' PostTypeId="1"'
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
        self.length, start = beginning(path)
        kind = kind_of(start)
        if kind not in ("", "an XML file"):
            unpack = " Unpack it first: 7z x." if kind == "a 7z archive" else ""
            raise QuestionsError(f"{path} is {kind}, not Posts.xml.{unpack}")
        if b"<" not in start:
            raise QuestionsError(f"{path} is no XML. Give the file Posts.xml of a data dump.")
        self._processes = processes or len(os.sched_getaffinity(0))

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a byte. The ranges are read at once and given in their order."""
        starts = iter(range(after or 0, self.length, RANGE))
        with workers(self._processes) as pool:
            waiting: deque[Future[Batch]] = deque()
            while True:
                while len(waiting) <= self._processes and (start := next(starts, None)) is not None:
                    waiting.append(pool.submit(read_range, self.path, start, min(start + RANGE, self.length)))
                if not waiting:
                    return
                yield waiting.popleft().result()


def read_range(path: Path, first: int, end: int) -> Batch:
    """Read the questions of the lines that begin in [first, end)."""
    posts: list[Post] = []
    refused: list[Refused] = []
    name = path.parent.name or path.stem
    with path.open("rb") as file:
        file.seek(max(first - 1, 0))
        if first:
            file.readline()  # the line that began before belongs to the range before
        at = file.tell()
        while at < end and (line := file.readline()):
            if _QUESTION in line:
                try:
                    posts.append(post_of(_row(line), name, "html"))
                except BadRow as bad:
                    refused.append(Refused(f"{path.name}, byte {at:,}", str(bad)))
            at += len(line)
        size = file.seek(0, os.SEEK_END)
        file.seek(max(size - 64, 0))
        if end == size and not file.read().rstrip().endswith(b"</posts>"):
            refused.append(
                Refused(f"{path.name}, end", "it ends without </posts>: it was cut off, and rows are missing")
            )
    return Batch(frame(posts), tuple(refused), end, end)


def _row(line: bytes) -> dict[str, str]:
    """Read the attributes of a row.

    Raises:
        BadRow: it is no whole ``<row …/>``.
    """
    found: dict[str, str] = {}
    parser = expat.ParserCreate(encoding="utf-8")
    parser.StartElementHandler = lambda name, attributes: found.update(attributes)
    try:
        parser.Parse(line.strip(), True)
    except expat.ExpatError as error:
        raise BadRow(f"its XML is broken: {expat.errors.messages[error.code]}") from error
    return {column: found[name] for name, column in _COLUMNS.items() if name in found}
