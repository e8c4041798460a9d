"""The panels as tables: one set of rows for the page, its JSON and its CSV, so that all three agree."""

import csv
import io
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance import service
from backend.acceptance.figures import (
    ACCEPTANCE,
    AGREEMENT,
    DISMISSAL,
    ENOUGH,
    FIGURES,
    ITEM_FIGURES,
    MISSED,
    Change,
    Counts,
    Figure,
    Mean,
    Rate,
    change,
)
from backend.acceptance.filters import Filters
from backend.acceptance.queries import LENGTHS, SCORE_BANDS
from backend.acceptance.worth import Worth, worth
from backend.admin.address import View
from backend.alerts.service import list_alerts
from backend.alerts.tables import AlertRow

Cell = str | int | float | date | Rate | Mean | None
Row = dict[str, Cell]

# Digits after the point of a share; more would show the noise of adding up in another order.
DIGITS = 6

PARTS_OF_FIGURE = ("numerator", "denominator", "n", "value", "low", "high", "open")


@dataclass(frozen=True, slots=True)
class Asked:
    """One question to the database: what every panel is worked out of."""

    session: AsyncSession
    view: View
    vocabulary: Collection[str]
    now: datetime

    @property
    def filters(self) -> Filters:
        """Which items and drafts."""
        return self.view.filters


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a panel; every row has all columns, in this order."""

    columns: Sequence[str]
    rows: Sequence[Row]


def figures_of(counts: Counts, figures: Sequence[Figure] = FIGURES) -> Row:
    """Figures by name."""
    return {figure.name: figure.of(counts) for figure in figures}


def overview_table(counts: Counts, before: Counts) -> Table:
    """One row a figure, with its change from the period before."""
    return Table(
        ("figure", "unit", "result", "before", "change", "change_low", "change_high"),
        [
            {
                "figure": figure.name,
                "unit": figure.unit,
                "result": figure.of(counts),
                "before": figure.of(before),
                **_of_change(change(figure.of(counts), figure.of(before))),
            }
            for figure in FIGURES
        ],
    )


def _of_change(change: Change | None) -> Row:
    names = ("change", "change_low", "change_high")
    if change is None:
        return dict.fromkeys(names)
    return dict(zip(names, (round(each, DIGITS) for each in (change.value, change.low, change.high)), strict=True))


def breakdown_table(key: str, rows: dict[date, Counts] | dict[str, Counts]) -> Table:
    """One row a key, all figures."""
    names = tuple(figure.name for figure in FIGURES)
    return Table((key, *names), [{key: value, **figures_of(counts)} for value, counts in rows.items()])


def positions_table(rows: dict[int | None, Counts]) -> Table:
    """One row a position, the figures of items."""
    names = tuple(figure.name for figure in ITEM_FIGURES)
    return Table(
        ("position", *names),
        [{"position": position, **_of_items(counts, ITEM_FIGURES)} for position, counts in rows.items()],
    )


def length_name(band: int) -> str:
    """A band of lengths in words: ``no body``, ``250 to 999``, ``3000 and more``."""
    if band == 0:
        return "no body"
    first, following = LENGTHS[band - 1], LENGTHS[band : band + 1]
    return f"{first} to {following[0] - 1}" if following else f"{first} and more"


def lengths_table(rows: dict[int, Counts]) -> Table:
    """One row a band of the body's length, in characters; the figures of items."""
    names = tuple(figure.name for figure in ITEM_FIGURES)
    return Table(
        ("characters", *names),
        [{"characters": length_name(band), **_of_items(counts, ITEM_FIGURES)} for band, counts in rows.items()],
    )


def calibration_table(rows: dict[int, Counts]) -> Table:
    """One row a band of scores: the mean score beside what came of it."""
    figures = (ACCEPTANCE, AGREEMENT)
    return Table(
        ("score_from", "score_to", "mean_score", *(figure.name for figure in figures)),
        [
            {
                "score_from": band / SCORE_BANDS,
                "score_to": (band + 1) / SCORE_BANDS,
                "mean_score": round(counts.score_sum / counts.viewed, DIGITS) if counts.viewed else None,
                **_of_items(counts, figures),
            }
            for band, counts in rows.items()
        ],
    )


def latency_table(found: Sequence[service.Latency]) -> Table:
    """One row a model version, the first of all; milliseconds."""
    return Table(
        ("model_version", "n", "p50_ms", "p95_ms", "p99_ms"),
        [
            {
                "model_version": row.model_version,
                "n": row.n,
                "p50_ms": round(row.p50, 3),
                "p95_ms": round(row.p95, 3),
                "p99_ms": round(row.p99, 3),
            }
            for row in found
        ],
    )


def worth_table(found: Worth) -> Table:
    """One row an estimate."""
    rows: list[tuple[str, int | float | None, str]] = [
        ("helped_drafts", found.helped_drafts, "drafts"),
        ("clicked_tags", found.clicked_tags, "tags"),
        ("saved_seconds", found.saved_seconds, "seconds"),
        ("cost_of_a_thousand", found.cost_of_a_thousand, "US dollars"),
    ]
    return Table(
        ("name", "value", "unit"), [{"name": name, "value": value, "unit": unit} for name, value, unit in rows]
    )


def chosen_tags(rows: dict[str, Counts], view: View) -> dict[str, Counts]:
    """The tags that a view lists, in its order; where shares are compared, those seen too seldom come last."""
    found = [(tag, counts) for tag, counts in rows.items() if view.search in tag]
    if view.sort == "viewed":
        return dict(found)
    sign = 1 if view.sort == "worst" else -1
    figure = DISMISSAL if view.sort == "dismissed" else ACCEPTANCE

    def place(row: tuple[str, Counts]) -> tuple[bool, float, int, str]:
        tag, counts = row
        return counts.viewed < ENOUGH, sign * (figure.of(counts).value or 0.0), -counts.viewed, tag

    return dict(sorted(found, key=place))


def tags_table(rows: dict[str, Counts]) -> Table:
    """One row a tag: the figures of its items, and how often it was posted and not offered."""
    figures = (*ITEM_FIGURES, MISSED)
    names = tuple(figure.name for figure in figures)
    return Table(("tag", *names), [{"tag": tag, **_of_items(counts, figures)} for tag, counts in rows.items()])


def _of_items(counts: Counts, figures: Sequence[Figure]) -> Row:
    """Figures of a tag or a position: a draft has many of them, so open drafts are not counted by them."""
    return {
        figure.name: figure.of(counts) if figure.open_unit == "items" else replace(figure.of(counts), open=None)
        for figure in figures
    }


def missed_table(rows: dict[str, Counts], vocabulary: Collection[str]) -> Table:
    """Tags that were posted without having been offered, the most often missed first.

    ``known`` says whether the model loaded now has the tag: yes, no, or empty while none is loaded.
    """
    missed = sorted(
        ((tag, counts) for tag, counts in rows.items() if counts.missed_tags),
        key=lambda row: (-row[1].missed_tags, row[0]),
    )
    return Table(
        ("tag", "known", "missed"),
        [
            {
                "tag": tag,
                "known": ("no" if counts.unknown_tags else "yes") if vocabulary else None,
                "missed": Rate(counts.missed_tags, counts.posted_tags),
            }
            for tag, counts in missed
        ],
    )


def bookkeeping_table(found: service.Bookkeeping) -> Table:
    """One row a count."""
    counts = [
        ("events", "received", found.received),
        ("events", "lost", found.lost),
        *(("refused", reason, n) for reason, n in found.refused.items()),
        ("items", "impossible", found.impossible),
        *(("total", name, n) for name, n in found.totals.items()),
    ]
    return Table(("group", "name", "n"), [{"group": group, "name": name, "n": n} for group, name, n in counts])


async def _overview(asked: Asked) -> Table:
    before = await service.count_grid(asked.session, asked.filters.before, asked.vocabulary, asked.now)
    return overview_table((await _grid(asked)).overview(), before.overview())


async def _days(asked: Asked) -> Table:
    return breakdown_table("day", (await _grid(asked)).by_day(asked.filters))


async def _models(asked: Asked) -> Table:
    return breakdown_table("model_version", (await _grid(asked)).by_model_version())


async def _positions(asked: Asked) -> Table:
    return positions_table((await _grid(asked)).by_position())


async def _sites(asked: Asked) -> Table:
    return breakdown_table("site", (await _grid(asked)).by_site())


async def _lengths(asked: Asked) -> Table:
    return lengths_table((await service.count_offers(asked.session, asked.filters, asked.now)).by_length())


async def _calibration(asked: Asked) -> Table:
    return calibration_table((await service.count_offers(asked.session, asked.filters, asked.now)).by_score())


async def _latency(asked: Asked) -> Table:
    return latency_table(await service.latencies(asked.session, asked.filters))


async def _worth(asked: Asked) -> Table:
    latencies = await service.latencies(asked.session, asked.filters)
    return worth_table(worth((await _grid(asked)).overview(), latencies[0].p50 if latencies else None))


async def _tags(asked: Asked) -> Table:
    return tags_table(chosen_tags(await _count_tags(asked), asked.view))


async def _missed(asked: Asked) -> Table:
    return missed_table(await _count_tags(asked), asked.vocabulary)


async def _bookkeeping(asked: Asked) -> Table:
    return bookkeeping_table(await service.bookkeeping(asked.session, asked.filters))


def alerts_table(rows: Sequence[AlertRow]) -> Table:
    """One row an alert, of all kinds of drafts and whatever is filtered: firing, pending, resolved."""
    columns = ("rule", "subject", "state", "since", "fired_at", "resolved_at", "words")
    return Table(columns, [{name: _written(getattr(row, name)) for name in columns} for row in rows])


def _written(value: str | datetime | None) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else value


async def _alerts(asked: Asked) -> Table:
    return alerts_table(await list_alerts(asked.session, asked.now))


async def _grid(asked: Asked) -> service.Grid:
    return await service.count_grid(asked.session, asked.filters, asked.vocabulary, asked.now)


async def _count_tags(asked: Asked) -> dict[str, Counts]:
    return await service.count_tags(asked.session, asked.filters, asked.vocabulary, asked.now)


PANELS: dict[str, Callable[[Asked], Awaitable[Table]]] = {
    "alerts": _alerts,
    "overview": _overview,
    "days": _days,
    "tags": _tags,
    "positions": _positions,
    "models": _models,
    "missed": _missed,
    "sites": _sites,
    "lengths": _lengths,
    "calibration": _calibration,
    "latency": _latency,
    "worth": _worth,
    "bookkeeping": _bookkeeping,
}


def parts(figure: Rate | Mean) -> dict[str, int | float | None]:
    """A figure as plain numbers: fraction, n, value and bounds (0..1, or None for n/a), and what is open."""
    low, high = figure.interval or (None, None)
    numbers = (figure.numerator, figure.denominator, figure.n, figure.value, low, high, figure.open)
    return {
        name: round(value, DIGITS) if isinstance(value, float) else value
        for name, value in zip(PARTS_OF_FIGURE, numbers, strict=True)
    }


def to_json(table: Table) -> list[dict[str, object]]:
    """The rows for JSON: a figure is an object, a day a string, n/a is null."""
    return [{name: _json_cell(row[name]) for name in table.columns} for row in table.rows]


def _json_cell(cell: Cell) -> object:
    if isinstance(cell, Rate | Mean):
        return parts(cell)
    return cell.isoformat() if isinstance(cell, date) else cell


def to_csv(table: Table) -> str:
    """The rows as CSV (RFC 4180): a figure is spread over columns, n/a is an empty cell.

    Text that a spreadsheet would take for a formula gets an apostrophe in front, as OWASP advises.
    """
    # Which columns hold figures does not depend on there being a row.
    spread = {name for name in table.columns if name in FIGURE_COLUMNS}
    header = [
        column
        for name in table.columns
        for column in ([_column(name, part) for part in PARTS_OF_FIGURE] if name in spread else [name])
    ]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(header)
    for row in table.rows:
        cells: list[object] = []
        for name in table.columns:
            cell = row[name]
            if isinstance(cell, Rate | Mean):
                cells.extend(parts(cell).values())
            else:
                cells.append(harmless(cell) if isinstance(cell, str) else cell)
        writer.writerow(cells)
    return file.getvalue()


FIGURE_COLUMNS = frozenset({"result", "before", *(figure.name for figure in FIGURES)})


def _column(name: str, part: str) -> str:
    return part if name == "result" else f"{name}_{part}"


def harmless(text: str) -> str:
    """Text that no spreadsheet runs as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text
