"""Drafts from a file: JSON lines, CSV or Parquet, with title, body, body_format and chosen_tags."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from model.classifier import Classifier
from model.text import BODY_CHARS, BODY_FORMATS

_DEFAULTS: Final = {"title": "", "body": "", "body_format": "markdown"}


class DraftError(Exception):
    """A file has something else than drafts; the message says where and what."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A question being written."""

    title: str
    body: str
    body_format: str
    chosen_tags: tuple[str, ...]


def read(path: Path) -> Iterator[Draft]:
    """Read drafts from a file: ``.csv``, ``.parquet``, or else JSON lines.

    Raises:
        DraftError: the file cannot be read, or a row is no draft.
        ModuleNotFoundError: it is Parquet, and the extra ``train`` is not installed.
    """
    try:
        if path.suffix == ".parquet":
            yield from _of_parquet(path)
        elif path.suffix == ".csv":
            with path.open(encoding="utf-8-sig", newline="") as file:
                yield from _of_csv(file, path.name)
        else:
            with path.open(encoding="utf-8") as file:
                yield from of_lines(file, path.name)
    except OSError as error:
        raise DraftError(f"{path} cannot be read: {error.strerror or error}.") from error


def of_lines(lines: Iterable[str], name: str) -> Iterator[Draft]:
    """Read JSON lines; empty ones are passed over.

    Raises:
        DraftError: a line is no draft, or no UTF-8.
    """
    try:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                place = f"{name}, line {number}"
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:
                    raise DraftError(f"{place} is not JSON: {error}.") from error
                if not isinstance(row, dict):
                    raise DraftError(f"{place} is not an object with title and body.")
                yield _draft(row, place)
    except UnicodeDecodeError as error:
        raise DraftError(f"{name} is not UTF-8: {error.reason}.") from error


def _of_csv(lines: Iterable[str], name: str) -> Iterator[Draft]:
    csv.field_size_limit(2 * BODY_CHARS)
    rows = csv.DictReader(lines, strict=True)
    try:
        _check_columns(rows.fieldnames or [], name)
        for row in rows:
            tags = row.get("chosen_tags") or ""
            yield _draft(row | {"chosen_tags": tags.replace(",", " ").split()}, f"{name}, line {rows.line_num}")
    except csv.Error as error:
        raise DraftError(f"{name}, line {rows.line_num} is broken CSV: {error}.") from error
    except UnicodeDecodeError as error:
        raise DraftError(f"{name} is not UTF-8: {error.reason}.") from error


def _of_parquet(path: Path) -> Iterator[Draft]:
    import polars as pl

    try:
        rows = pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise DraftError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}.") from error
    _check_columns(rows.columns, path.name)
    for number, row in enumerate(rows.iter_rows(named=True), start=1):
        yield _draft(row, f"{path.name}, row {number}")


def _check_columns(columns: Iterable[str], name: str) -> None:
    if "title" not in columns and "body" not in columns:
        raise DraftError(f"{name} has neither a column title nor body. It has {', '.join(columns) or 'none'}.")


def _draft(row: Mapping[str, Any], place: str) -> Draft:
    """Make a draft of a row; say where the row is if it is none."""
    title, body, body_format = (default if row.get(name) is None else row[name] for name, default in _DEFAULTS.items())
    body_format = "text" if body_format == "none" else body_format  # as files of questions say that there is no body
    if not all(isinstance(value, str) for value in (title, body, body_format)) or body_format not in BODY_FORMATS:
        raise DraftError(f"{place}: title and body must be strings, body_format one of {', '.join(BODY_FORMATS)}.")
    chosen = row.get("chosen_tags")
    chosen = [] if chosen is None else chosen
    if not isinstance(chosen, list) or not all(isinstance(tag, str) for tag in chosen):
        raise DraftError(f"{place}: chosen_tags must be a list of strings.")
    return Draft(title, body, body_format, tuple(chosen))


def answered(classifier: Classifier, drafts: Iterable[Draft], limit: int) -> Iterator[str]:
    """Give a JSON line for each draft: ``{"items": [{tag, score, confident, uses, because}]}``."""
    for draft in drafts:
        items = classifier.suggest(
            draft.title, draft.body, body_format=draft.body_format, chosen_tags=draft.chosen_tags, limit=limit
        )
        yield json.dumps({"items": [asdict(item) for item in items]}, ensure_ascii=False) + "\n"
