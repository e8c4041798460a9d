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

from model.runs.files import OutputBusyError, write_atomically

ROW_GROUP_SIZE: Final = 50_000
"""Rows of a row group of the joined file: fixed, so that the same rows give the same bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """A finished part: its rows are in a Parquet file, and ``notes`` is what JSON holds of it."""

    file: Path
    notes: dict[str, Any]


class ResumableOutput:
    """The parts of ``out`` in the folder ``OUT.unfinished``. A part is finished when its notes are written.

    Parts of a run with another identity are removed. Use it in a ``with`` block: it holds a lock.

    Attributes:
        done: the finished parts, in their order.
    """

    done: list[Part]

    def __init__(self, out: Path, identity: str, *, fresh: bool = False, max_parts: int | None = None) -> None:
        """Find the parts that an earlier run with the same identity has finished.

        Args:
            fresh: remove those too.
            max_parts: use no more than this many of them.

        Raises:
            OutputBusyError: another process is writing the same output.
        """
        self.folder = out.with_name(out.name + ".unfinished")
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._lock.close()
            raise OutputBusyError(f"{out} is being written by another process. Wait for it, or stop it.") from error
        identity_file = self.folder / "of.json"
        if fresh or not identity_file.is_file() or identity_file.read_text() != identity:
            for path in self.folder.iterdir():
                if path.name != ".lock":
                    path.unlink()
            write_atomically(self.folder, {identity_file.name: identity.encode()})
        self.done = []
        while len(self.done) != max_parts and (notes := self._notes_file(len(self.done))).is_file():
            self.done.append(Part(self._rows_file(len(self.done)), json.loads(notes.read_bytes())))

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
        temporary.replace(self._rows_file(number))
        content = json.dumps(notes, ensure_ascii=False).encode()
        write_atomically(self.folder, {self._notes_file(number).name: content})
        self.done.append(Part(self._rows_file(number), notes))

    def join(self, out: Path, select: Callable[[pl.LazyFrame], pl.LazyFrame] = lambda rows: rows) -> None:
        """Write the rows of all parts, or what ``select`` makes of them, in order into one Parquet file."""
        temporary = out.with_name(f".{out.name}.joined")
        rows = select(pl.scan_parquet([part.file for part in self.done]))
        rows.sink_parquet(temporary, row_group_size=ROW_GROUP_SIZE)
        temporary.replace(out)

    def rows(self) -> int:
        """Return the number of rows of all parts."""
        return sum(part.notes["rows"] for part in self.done)

    def remove(self) -> None:
        """Remove the folder, once the output is written."""
        shutil.rmtree(self.folder)

    def _rows_file(self, number: int) -> Path:
        return self.folder / f"{number:06}.parquet"

    def _notes_file(self, number: int) -> Path:
        return self.folder / f"{number:06}.json"
