"""A panel's twins: one table of figures, written as JSON and as CSV, so that both agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeVar

from backend.acceptance.figures import FIGURES, Mean, Rate
from backend.admin.csv_text import write_csv

Cell = str | int | float | date | Rate | Mean | None
Row = dict[str, Cell]

V = TypeVar("V", bound=str | float | None)

# Digits after the point of a share; more would show the noise of adding up in another order.
DIGITS = 6

FIGURE_PARTS = ("numerator", "denominator", "n", "writers", "value", "low", "high", "reason", "open")

FIGURE_COLUMNS = frozenset({"result", "before", *(figure.name for figure in FIGURES)})
"""The columns that hold figures, whether or not there is a row."""


@dataclass(frozen=True, slots=True)
class PanelTable:
    """The rows of a panel; every row has all columns, in this order."""

    columns: Sequence[str]
    rows: Sequence[Row]


def round_value(value: float | None) -> int | float | None:
    """Round a share to the digits that twins show; leave whole numbers and None as they are."""
    return round(value, DIGITS) if isinstance(value, float) else value


def iso_format(value: V | datetime) -> V | str:
    """Return a moment as ISO 8601; anything else as it is."""
    return value.isoformat() if isinstance(value, datetime) else value


def split_figure(figure: Rate | Mean) -> dict[str, int | float | str | None]:
    """Return a figure in parts: fraction, n and writers, value and bounds (0..1, or None for n/a), and what is open.

    The ``reason`` says why there are no bounds, or what they take for granted.
    """
    low, high = figure.interval or (None, None)
    return {
        "numerator": figure.numerator,
        "denominator": figure.denominator,
        "n": figure.n,
        "writers": figure.writers,
        "value": round_value(figure.value),
        "low": round_value(low),
        "high": round_value(high),
        "reason": figure.remark,
        "open": figure.open,
    }


def to_json(table: PanelTable) -> list[dict[str, object]]:
    """Return the rows for JSON: a figure is an object, a day a string, n/a is null."""
    return [{name: _json_cell(row[name]) for name in table.columns} for row in table.rows]


def _json_cell(cell: Cell) -> object:
    if isinstance(cell, Rate | Mean):
        return split_figure(cell)
    return cell.isoformat() if isinstance(cell, date) else cell


def to_csv(table: PanelTable) -> str:
    """Return the rows as CSV: a figure is spread over columns, n/a is an empty cell."""
    header = [
        column
        for name in table.columns
        for column in ([_part_column(name, part) for part in FIGURE_PARTS] if name in FIGURE_COLUMNS else [name])
    ]
    rows = []
    for row in table.rows:
        cells: list[object] = []
        for name in table.columns:
            cell = row[name]
            cells.extend(split_figure(cell).values() if isinstance(cell, Rate | Mean) else [cell])
        rows.append(cells)
    return write_csv(header, rows)


def _part_column(name: str, part: str) -> str:
    return part if name == "result" else f"{name}_{part}"
