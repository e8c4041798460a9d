"""Questions from a Parquet file: as a source of posts, and ready for training.

Columns: title, body, body_format, tags, tags_complete, year, question_id, source, split; a prepared file has code too,
a mixed one how many times each question counts.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import polars as pl

from model.questions import Question, QuestionsError, assign_split, drop_repeated_titles
from model.questions.columns import Columns
from model.questions.posts import READ, REQUIRED, Batch, BatchReader, detect_kind, read_start
from model.questions.tags import TagsError, read_tags
from model.serving.text import BODY_FORMATS, prepare_text

_REQUIRED: Final = {"title": pl.String(), "body": pl.String(), "body_format": pl.String(), "tags": pl.List(pl.String())}
_ROWS_AT_ONCE: Final = 20_000


class ParquetFile:
    """A Parquet file as a source. Only ``title`` and ``tags`` must be there; tags may be a list or a text.

    Attributes:
        length: rows of the file.
    """

    length: int

    def __init__(self, path: Path) -> None:
        """Check the file and its columns.

        Raises:
            QuestionsError: it is missing, empty, cut off or not Parquet, or lacks a column.
        """
        self.path = path
        self._rows = scan_file(path)
        names = self._rows.collect_schema().names()
        self._columns = Columns(names, READ)
        if missing := self._columns.missing(*REQUIRED):
            raise QuestionsError(f"{path} lacks the columns {', '.join(missing)}. It has {', '.join(names)}.")
        self._rows = self._rows.select(pl.nth(list(self._columns.places.values())))
        self.length = self._rows.select(pl.len()).collect().item()

    def batches(self, after: Any) -> Iterator[Batch]:
        """Read on after a number of rows."""
        done = after or 0
        reader = BatchReader(self.path.stem, self._columns.notices(self.path.name))
        for part in self._rows.slice(done).collect_batches(chunk_size=_ROWS_AT_ONCE, maintain_order=True):
            for number, values in enumerate(part.iter_rows(), start=done + 1):
                row = dict(zip(self._columns.places, values, strict=True))
                reader.read(row, f"{self.path.name}, row {number}", number)
            done += part.height
            yield reader.batch(done, done)


def scan_file(path: Path) -> pl.LazyFrame:
    """Open a Parquet file, without reading its rows yet.

    Raises:
        QuestionsError: it is missing, empty, cut off, or not Parquet.
    """
    _, start = read_start(path)
    if detect_kind(start) != "a Parquet file":
        raise QuestionsError(f"{path} is {detect_kind(start) or 'a text file'}, not Parquet.")
    try:
        rows = pl.scan_parquet(path)
        rows.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QuestionsError(
            f"{path} cannot be read as Parquet: {_first_line(error)}. It may be cut off: make or fetch it again."
        ) from error
    return rows


def read_questions(path: Path) -> list[Question]:
    """Read a Parquet file into questions, each title once.

    Columns: ``title``, ``body`` (empty if unknown), ``body_format`` (``html``, ``markdown``, ``text``, ``none``)
    and ``tags`` must be there; ``tags_complete`` (default true), ``year``, ``question_id``, ``source``, ``split``
    (``train`` or ``dev``, default ``train``), ``code`` (what ``prepare`` took out of the body) and ``weight`` (how many
    times it counts in training, default 1) may be left out.

    Raises:
        QuestionsError: no such file, not Parquet, a column is missing or of another type, tags are none, or there are
            no rows.
    """
    rows = _check_columns(scan_file(path).collect(), path)
    unreadable = Counter[str]()
    questions = drop_repeated_titles(_yield_questions(rows, unreadable))
    if unreadable:
        reason, _ = unreadable.most_common(1)[0]
        raise QuestionsError(
            f"{path} has {unreadable.total():,} rows whose tags cannot be read: {reason}. "
            "`tagalong-model prepare` leaves such rows out."
        )
    if not questions:
        raise QuestionsError(f"{path} has no questions with a title and a tag.")
    return questions


def _check_columns(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Return the frame with all columns of a question, of the right types, without rows that lack title or tags."""
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise QuestionsError(f"{path} lacks the columns {', '.join(missing)}. It has {', '.join(frame.columns)}.")
    wrong = [
        f"{name} is {frame.schema[name]} and must be {kind}"
        for name, kind in _REQUIRED.items()
        if frame.schema[name] != kind
    ]
    if wrong:
        raise QuestionsError(
            f"{path} has columns of another type: {'; '.join(wrong)}. `tagalong-model prepare` makes them so."
        )
    defaults: dict[str, pl.Expr] = {
        "tags_complete": pl.lit(True),
        "year": pl.lit(None, pl.Int64),
        "question_id": pl.lit(None, pl.Int64),
        "source": pl.lit(path.stem),
        "split": pl.lit("train"),
        "code": pl.lit(""),
        "weight": pl.lit(1.0),
    }
    frame = frame.with_columns(expr.alias(name) for name, expr in defaults.items() if name not in frame.columns)
    try:
        frame = frame.with_columns(
            pl.col("tags_complete").cast(pl.Boolean),
            pl.col("year", "question_id").cast(pl.Int64),
            pl.col("source", "split", "code").cast(pl.String),
            pl.col("weight").cast(pl.Float64),
        )
    except pl.exceptions.PolarsError as error:
        # The library's own message shows values.
        raise QuestionsError(
            f"{path} has columns of another type: year and question_id must be whole numbers, weight a number, "
            "tags_complete true or false."
        ) from error
    if not ((frame["weight"].fill_null(1.0) > 0) & frame["weight"].fill_null(1.0).is_finite()).all():
        raise QuestionsError(f"{path} has weights that are not above 0.")
    unknown = ~frame["body_format"].drop_nulls().is_in([*BODY_FORMATS, "none"])
    if unknown.any():
        raise QuestionsError(
            f"{path} has {unknown.sum():,} rows whose body_format is none of {', '.join(BODY_FORMATS)} and none."
        )
    return frame.with_columns(
        pl.col("body").fill_null(""),
        pl.col("body_format").fill_null("none").replace("none", "text"),
        pl.col("tags").list.drop_nulls(),
        pl.col("tags_complete").fill_null(True),
        pl.col("source").fill_null(path.stem),
        pl.col("split").fill_null("train"),
        pl.col("code").fill_null(""),
        pl.col("weight").fill_null(1.0),
    ).filter(pl.col("title").is_not_null() & (pl.col("tags").list.len() > 0))


def _yield_questions(rows: pl.DataFrame, unreadable: Counter[str]) -> Iterator[Question]:
    """Yield the questions that have tags, and count the rows whose tags cannot be read by the reason."""
    for part in rows.iter_slices(_ROWS_AT_ONCE):
        for row in part.iter_rows(named=True):
            try:
                tags = read_tags(row["tags"])
            except TagsError as error:
                unreadable[str(error)] += 1
                continue
            if tags:
                yield _make_question(row, tags)


def _make_question(row: dict[str, object], tags: tuple[str, ...]) -> Question:
    body = "\n".join(text for text in (str(row["body"]), str(row["code"])) if text)
    title, body = prepare_text(str(row["title"]), body, str(row["body_format"]))
    year, number = row["year"], row["question_id"]
    return Question(
        title=title,
        body=body,
        tags=tags,
        tags_complete=bool(row["tags_complete"]),
        year=year if isinstance(year, int) else None,
        question_id=number if isinstance(number, int) else None,
        source=str(row["source"]),
        split=assign_split(str(row["title"]), str(row["split"])),
        weight=float(str(row["weight"])),
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
