"""Drafts from a file: JSON lines, CSV or Parquet, with title, body, body_format and chosen_tags or tags.

Columns are found whatever their case, as exports of questions have them; tags are read by ``model.questions.tags``.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from model.questions.columns import Columns
from model.questions.csv_rows import CsvTable, detect_encoding
from model.questions.tags import TagsError, read_tags
from model.questions.values import is_empty
from model.serving.classifier import Classifier
from model.serving.text import BODY_FORMATS

_CHOSEN: Final = ("chosen_tags", "tags")
_COLUMNS: Final = frozenset(["title", "body", "body_format", *_CHOSEN])


class DraftError(Exception):
    """A file has something else than drafts; the message says where and what."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question being written."""

    title: str
    body: str
    body_format: str
    chosen_tags: tuple[str, ...]


def read_drafts(
    path: Path, body_format: str = "markdown", say: Callable[[str], None] = lambda notice: None
) -> Iterator[Draft]:
    """Read drafts from a file: ``.csv`` or ``.tsv``, ``.parquet``, or else JSON lines.

    Args:
        body_format: what bodies are in, where a draft does not say it.
        say: called with what there is to say about the columns.

    Raises:
        DraftError: the file cannot be read, or a row is no draft.
        ModuleNotFoundError: it is Parquet, and the extra ``train`` is not installed.
    """
    try:
        if path.suffix.lower() == ".parquet":
            yield from _read_parquet(path, body_format, say)
        elif path.suffix.lower() in (".csv", ".tsv"):
            yield from _read_csv(path, body_format, say)
        else:
            with path.open("rb") as start:
                encoding = detect_encoding(start.read(64))
            with path.open(encoding=encoding) as file:
                yield from parse_json_lines(file, path.name, body_format)
    except OSError as error:
        raise DraftError(f"{path} cannot be read: {error.strerror or error}.") from error


def parse_json_lines(lines: Iterable[str], name: str, body_format: str = "markdown") -> Iterator[Draft]:
    """Read JSON lines; empty ones are passed over.

    Raises:
        DraftError: a line is no draft, or no UTF-8.
    """
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"{name}, line {number}"
                try:
                    row = json.loads(line.removeprefix("\ufeff"), object_pairs_hook=_keep_first_of_each_name)
                except (ValueError, RecursionError) as error:
                    raise DraftError(f"{place} is not JSON.") from error
                if not isinstance(row, dict):
                    raise DraftError(f"{place} is not an object with title and body.")
                yield _parse_draft(Columns(row, _COLUMNS).row(list(row.values())), place, body_format)
    except UnicodeDecodeError as error:
        raise DraftError(f"{name} is not UTF-8: {error.reason}.") from error


def _keep_first_of_each_name(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of names and values; of two with one name the first is taken, as of a table's columns."""
    row: dict[str, Any] = {}
    for name, value in pairs:
        row.setdefault(name, value)
    return row


def _read_csv(path: Path, body_format: str, say: Callable[[str], None]) -> Iterator[Draft]:
    table = CsvTable(path, _COLUMNS)
    _check_columns(table.columns, table.header, path.name, say)
    width = len(table.header)
    with path.open("rb") as file:
        for row in table.rows(file):
            place = f"{path.name}, line {row.line}"
            if row.broken:
                raise DraftError(f"{place}: {row.broken}.")
            if any(row.values[width:]):
                raise DraftError(f"{place} has {len(row.values)} fields, and the header has {width}.")
            yield _parse_draft(table.columns.row(row.values), place, body_format)


def _read_parquet(path: Path, body_format: str, say: Callable[[str], None]) -> Iterator[Draft]:
    import polars as pl

    try:
        rows = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DraftError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}.") from error
    columns = Columns(rows.columns, _COLUMNS)
    _check_columns(columns, rows.columns, path.name, say)
    for number, values in enumerate(rows.iter_rows(), start=1):
        yield _parse_draft(columns.row(values), f"{path.name}, row {number}", body_format)


def _check_columns(columns: Columns, header: Iterable[str], name: str, say: Callable[[str], None]) -> None:
    if len(columns.missing("title", "body")) == 2:
        raise DraftError(f"{name} has neither a column title nor body. It has {Columns.listed(header) or 'none'}.")
    for notice in columns.notices(name):
        say(notice)


def _parse_draft(row: Mapping[str, Any], place: str, default_format: str) -> Draft:
    """Make a draft of a row; say where the row is if it is none."""
    title, body = ("" if is_empty(row.get(name)) else row[name] for name in ("title", "body"))
    body_format = str(row.get("body_format") or default_format).strip().lower()
    body_format = "text" if body_format == "none" else body_format  # as files of questions say that there is no body
    if not isinstance(title, str) or not isinstance(body, str) or body_format not in BODY_FORMATS:
        raise DraftError(f"{place}: title and body must be strings, body_format one of {', '.join(BODY_FORMATS)}.")
    try:
        chosen = read_tags(next((row[name] for name in _CHOSEN if not is_empty(row.get(name))), None))
    except TagsError as error:
        raise DraftError(f"{place}: {error}.") from error
    return Draft(title, body, body_format, chosen)


def suggest_for_drafts(classifier: Classifier, drafts: Iterable[Draft], limit: int) -> Iterator[str]:
    """Return a JSON line for each draft: ``{"items": [{tag, score, confident, uses, because}]}``."""
    for draft in drafts:
        items = classifier.suggest(
            draft.title, draft.body, body_format=draft.body_format, chosen_tags=draft.chosen_tags, limit=limit
        )
        yield json.dumps({"items": [asdict(item) for item in items]}, ensure_ascii=False) + "\n"
