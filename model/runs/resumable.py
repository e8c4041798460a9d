"""A big output, written part by part beside it: constant memory, and a stopped run goes on where it was."""

import fcntl
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import polars as pl

from model.runs.files import write_atomically

ROWS_OF_A_GROUP: Final = 50_000
"""Rows of a row group of the joined file: fixed, so that the same rows give the same bytes."""


class PartsError(Exception):
    """The unfinished output cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: its rows are in a Parquet file, and ``notes`` is what JSON holds of it."""

    file: Path
    notes: dict[str, Any]


class Parts:
    """The parts of ``out`` in the folder ``OUT.unfinished``. A part is there when its notes are.

    Parts of a run with another identity are thrown away. Use it in a ``with`` block: it holds a lock.

    Attributes:
        done: the finished parts, in their order.
    """

    done: list[Part]

    def __init__(self, out: Path, identity: str, *, fresh: bool = False, most: int | None = None) -> None:
        """Find what an earlier run with the same identity has finished.

        Args:
            fresh: throw that away too.
            most: parts that are wanted; what was finished after them is not taken.

        Raises:
            PartsError: another process is writing the same output.
        """
        self.folder = out.with_name(out.name + ".unfinished")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise PartsError(f"{out} is being written by another process. Wait for it, or stop it.") from error
        of = self.folder / "of.json"
        if fresh or not of.is_file() or of.read_text() != identity:
            for path in self.folder.iterdir():
                if path.name != ".lock":
                    path.unlink()
            write_atomically(self.folder, {of.name: identity.encode()})
        self.done = []
        while len(self.done) != most and (notes := self._notes(len(self.done))).is_file():
            self.done.append(Part(self._rows(len(self.done)), json.loads(notes.read_bytes())))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.close()

    def add(self, rows: pl.DataFrame, notes: dict[str, Any]) -> None:
        """Finish the next part: its rows first, then its notes."""
        number, notes = len(self.done), notes | {"rows": rows.height}
        temporary = self.folder / ".rows"
        rows.write_parquet(temporary)
        temporary.replace(self._rows(number))
        write_atomically(self.folder, {self._notes(number).name: json.dumps(notes, ensure_ascii=False).encode()})
        self.done.append(Part(self._rows(number), notes))

    def join(self, out: Path, select: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows) -> None:
        """Write the rows of all parts, or what ``select`` makes of them, in order into one Parquet file."""
        temporary = out.with_name(f".{out.name}.joined")
        rows = select(pl.scan_parquet([part.file for part in self.done]))
        rows.sink_parquet(temporary, row_group_size=ROWS_OF_A_GROUP)
        temporary.replace(out)

    def rows(self) -> int:
        """Count the rows of all parts."""
        return sum(part.notes["rows"] for part in self.done)

    def throw_away(self) -> None:
        """Remove the folder: the output is there."""
        shutil.rmtree(self.folder)

    def _rows(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"

    def _notes(self, number: int) -> Path:
        return self.folder / f"{number:06}.json"
