"""Questions from a Parquet file: title, body, body_format, tags, tags_complete, year, question_id, source, split."""

from pathlib import Path
from typing import Final

import polars as pl

from model.questions import Question, QuestionsError, once_each, split_of
from model.text import BODY_FORMATS, ready

_REQUIRED: Final = {"title": pl.String(), "body": pl.String(), "body_format": pl.String(), "tags": pl.List(pl.String())}
_ROWS_AT_ONCE: Final = 20_000


def read(path: Path) -> list[Question]:
    """Read a Parquet file into questions, each title once.

    Columns: ``title``, ``body`` (empty if unknown), ``body_format`` (``html``, ``markdown``, ``text``, ``none``)
    and ``tags`` must be there; ``tags_complete`` (default true), ``year``, ``question_id``, ``source`` and
    ``split`` (``train`` or ``dev``, default ``train``) may be left out.

    Raises:
        QuestionsError: no such file, not Parquet, a column is missing or of another type, or there are no rows.
    """
    if not path.is_file():
        raise QuestionsError(f"There is no file {path}. Give the path of a Parquet file with questions.")
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise QuestionsError(f"{path} cannot be read as Parquet: {_first_line(error)}") from error
    frame = _checked(frame, path)
    questions = once_each(
        _question(row) for part in frame.iter_slices(_ROWS_AT_ONCE) for row in part.iter_rows(named=True)
    )
    if not questions:
        raise QuestionsError(f"{path} has no questions with a title and a tag.")
    return questions


def _checked(frame: pl.DataFrame, path: Path) -> pl.DataFrame:
    """Give the frame with all columns of a question, of the right types, without rows that lack title or tags."""
    missing = [name for name in _REQUIRED if name not in frame.columns]
    if missing:
        raise QuestionsError(f"{path} lacks the columns {', '.join(missing)}. It has {', '.join(frame.columns)}.")
    wrong = [
        f"{name} is {frame.schema[name]} and must be {kind}"
        for name, kind in _REQUIRED.items()
        if frame.schema[name] != kind
    ]
    if wrong:
        raise QuestionsError(f"{path} has columns of another type: {'; '.join(wrong)}.")
    defaults: dict[str, pl.Expr] = {
        "tags_complete": pl.lit(True),
        "year": pl.lit(None, pl.Int64),
        "question_id": pl.lit(None, pl.Int64),
        "source": pl.lit(path.stem),
        "split": pl.lit("train"),
    }
    frame = frame.with_columns(expr.alias(name) for name, expr in defaults.items() if name not in frame.columns)
    try:
        frame = frame.with_columns(
            pl.col("tags_complete").cast(pl.Boolean),
            pl.col("year", "question_id").cast(pl.Int64),
            pl.col("source", "split").cast(pl.String),
        )
    except pl.exceptions.PolarsError as error:
        raise QuestionsError(f"{path} has columns of another type: {_first_line(error)}") from error
    formats = set(frame["body_format"].unique().drop_nulls()) - {*BODY_FORMATS, "none"}
    if formats:
        raise QuestionsError(
            f"{path} has the body formats {', '.join(sorted(formats))}; known are {', '.join(BODY_FORMATS)} and none."
        )
    return frame.with_columns(
        pl.col("body").fill_null(""),
        pl.col("body_format").fill_null("none").replace("none", "text"),
        pl.col("tags").list.drop_nulls(),
        pl.col("tags_complete").fill_null(True),
        pl.col("source").fill_null(path.stem),
        pl.col("split").fill_null("train"),
    ).filter(pl.col("title").is_not_null() & (pl.col("tags").list.len() > 0))


def _question(row: dict[str, object]) -> Question:
    title, body = ready(str(row["title"]), str(row["body"]), str(row["body_format"]))
    tags, year, number = row["tags"], row["year"], row["question_id"]
    assert isinstance(tags, list)  # the schema was checked; this is for the type checker
    return Question(
        title=title,
        body=body,
        tags=tuple(dict.fromkeys(str(tag).strip().lower() for tag in tags)),
        tags_complete=bool(row["tags_complete"]),
        year=year if isinstance(year, int) else None,
        question_id=number if isinstance(number, int) else None,
        source=str(row["source"]),
        split=split_of(str(row["title"]), str(row["split"])),
    )


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
