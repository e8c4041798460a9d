"""The panels as tables: one set of rows for the page, its JSON and its CSV, so that all three agree."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TypeVar
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance.bookkeeping import Bookkeeping, count_bookkeeping
from backend.acceptance.breakdowns import Grid
from backend.acceptance.counts import Latency, count_grid, count_offers, count_tags, measure_latencies
from backend.acceptance.figures import (
    ACCEPTANCE,
    AGREEMENT,
    DISMISSAL,
    FIGURES,
    ITEM_FIGURES,
    MIN_SAMPLE,
    MISSED,
    Change,
    Counts,
    Figure,
    Mean,
    Rate,
    compute_change,
)
from backend.acceptance.filters import ARMS, Filters
from backend.acceptance.queries.items import LENGTH_BANDS, SCORE_BANDS
from backend.acceptance.value_estimate import ValueEstimate, estimate_value
from backend.acceptance.worst_tags import WorstTag, list_worst_tags
from backend.admin.csv_text import write_csv
from backend.admin.query import View
from backend.alerts.service import list_alerts
from backend.alerts.tables import AlertRow
from backend.audit.service import newest
from backend.audit.tables import Act
from backend.deployments.service import Release, list_deployments, list_releases
from backend.deployments.tables import Deployment
from backend.drift.findings import Findings, Measured
from backend.drift.service import newest as newest_drift
from backend.experiments.guardrails import TITLES
from backend.experiments.shadow_scores import ShadowScores, score_shadow
from backend.experiments.status import ExperimentStatus, find_latest_experiment, last_status, read_verdicts
from backend.experiments.tables import VerdictRow
from backend.web.request_stats import RequestStats, read_request_stats

V = TypeVar("V", bound=str | float | None)

Cell = str | int | float | date | Rate | Mean | None
Row = dict[str, Cell]

# How far back requests are counted.
A_DAY = timedelta(days=1)

# Digits after the point of a share; more would show the noise of adding up in another order.
DIGITS = 6

# Acts of admins in JSON and CSV, the newest.
ACTS_KEPT = 1_000

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
    return {figure.name: figure.compute(counts) for figure in figures}


def overview_table(counts: Counts, before: Counts) -> Table:
    """One row a figure, with its change from the period before."""
    return Table(
        ("figure", "unit", "result", "before", "change", "change_low", "change_high"),
        [
            {
                "figure": figure.name,
                "unit": figure.unit,
                "result": figure.compute(counts),
                "before": figure.compute(before),
                **_of_change(compute_change(figure.compute(counts), figure.compute(before))),
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


def orders_table(grid: Grid) -> Table:
    """One row an order of the chips and a position, the figures of items."""
    names = tuple(figure.name for figure in ITEM_FIGURES)
    return Table(
        ("order", "position", *names),
        [
            {"order": order, "position": position, **_of_items(counts, ITEM_FIGURES)}
            for order in ("model", "random")
            for position, counts in grid.by_position(order).items()
        ],
    )


def length_name(band: int) -> str:
    """A band of lengths in words: ``no body``, ``250 to 999``, ``3000 and more``."""
    if band == 0:
        return "no body"
    first, following = LENGTH_BANDS[band - 1], LENGTH_BANDS[band : band + 1]
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


def latency_table(found: Sequence[Latency]) -> Table:
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


def worth_table(found: ValueEstimate) -> Table:
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
        return counts.viewed < MIN_SAMPLE, sign * (figure.compute(counts).value or 0.0), -counts.viewed, tag

    return dict(sorted(found, key=place))


def tags_table(rows: dict[str, Counts]) -> Table:
    """One row a tag: the figures of its items, and how often it was posted and not offered."""
    figures = (*ITEM_FIGURES, MISSED)
    names = tuple(figure.name for figure in figures)
    return Table(("tag", *names), [{"tag": tag, **_of_items(counts, figures)} for tag, counts in rows.items()])


def _of_items(counts: Counts, figures: Sequence[Figure]) -> Row:
    """Figures of a tag or a position: a draft has many of them, so open drafts are not counted by them."""
    return {
        figure.name: result if figure.open_unit == "items" else replace(result, open=None)
        for figure, result in ((figure, figure.compute(counts)) for figure in figures)
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


def bookkeeping_table(found: Bookkeeping) -> Table:
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
    before = await count_grid(asked.session, asked.filters.before, asked.vocabulary, asked.now)
    return overview_table((await _grid(asked)).overview(), before.overview())


async def _days(asked: Asked) -> Table:
    return breakdown_table("day", (await _grid(asked)).by_day(asked.filters))


async def _models(asked: Asked) -> Table:
    return breakdown_table("model_version", (await _grid(asked)).by_model_version())


async def _positions(asked: Asked) -> Table:
    return positions_table((await _grid(asked)).by_position())


async def _orders(asked: Asked) -> Table:
    return orders_table(await _grid(asked))


async def _sites(asked: Asked) -> Table:
    return breakdown_table("site", (await _grid(asked)).by_site())


async def _lengths(asked: Asked) -> Table:
    return lengths_table((await count_offers(asked.session, asked.filters, asked.now)).by_length())


async def _calibration(asked: Asked) -> Table:
    return calibration_table((await count_offers(asked.session, asked.filters, asked.now)).by_score())


async def _latency(asked: Asked) -> Table:
    return latency_table(await measure_latencies(asked.session, asked.filters, asked.now))


def requests_table(found: RequestStats) -> Table:
    """What became of all replicas' requests of the last day, whatever is filtered."""
    return Table(
        ("name", "result"),
        [
            {"name": "requests failed", "result": Rate(found.failed, found.requests)},
            {"name": "suggestions slow", "result": Rate(found.slow, found.suggestions)},
        ],
    )


async def _requests(asked: Asked) -> Table:
    return requests_table(await read_request_stats(asked.session, asked.now - A_DAY))


async def _worth(asked: Asked) -> Table:
    latencies = await measure_latencies(asked.session, asked.filters, asked.now)
    return worth_table(estimate_value((await _grid(asked)).overview(), latencies[0].p50 if latencies else None))


async def _tags(asked: Asked) -> Table:
    return tags_table(chosen_tags(await _count_tags(asked), asked.view))


async def _missed(asked: Asked) -> Table:
    return missed_table(await _count_tags(asked), asked.vocabulary)


def worst_table(rows: Sequence[WorstTag]) -> Table:
    """One row a tag: dismissed of seen, or missed of posted."""
    return Table(
        ("what", "tag", "result"), [{"what": row.category, "tag": row.tag, "result": row.rate} for row in rows]
    )


async def _worst(asked: Asked) -> Table:
    return worst_table(list_worst_tags(await _count_tags(asked), asked.vocabulary))


async def _bookkeeping(asked: Asked) -> Table:
    return bookkeeping_table(await count_bookkeeping(asked.session, asked.filters, asked.now))


def alerts_table(rows: Sequence[AlertRow]) -> Table:
    """One row an alert, of all kinds of drafts and whatever is filtered: firing, pending, resolved."""
    columns = ("rule", "subject", "state", "since", "fired_at", "resolved_at", "words", "unjudged")
    return Table(columns, [{name: _written(getattr(row, name)) for name in columns} for row in rows])


def _written(value: V | datetime) -> V | str:
    return value.isoformat() if isinstance(value, datetime) else value


async def _alerts(asked: Asked) -> Table:
    return alerts_table(await list_alerts(asked.session, asked.now))


def acts_table(acts: Sequence[Act]) -> Table:
    """One row an act of an admin, whatever is filtered, the newest first."""
    rows: list[Row] = [
        {
            "at": act.at.isoformat(),
            "actor": act.actor,
            "act": act.act,
            "subject": act.subject,
            "details": detailed(act.details),
        }
        for act in acts
    ]
    return Table(("at", "actor", "act", "subject", "details"), rows)


def detailed(details: Mapping[str, object]) -> str:
    """The details of an act in one line: ``seed 1, drafts 1,120``."""
    return ", ".join(f"{name} {_detail(value)}" for name, value in details.items())


def _detail(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({detailed(value)})"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


def drift_table(found: Findings | None) -> Table:
    """One row a figure of the newest import; ``noise`` is what chance alone brings."""
    columns = (
        "since",
        "until",
        "model_version",
        "drafts",
        "kind",
        "name",
        "n",
        "value",
        "low",
        "high",
        "noise",
        "drifted",
    )
    if found is None:
        return Table(columns, [])
    rows = _drift_figures(found) if found.drafts else []
    rows += [_drift_row(each.kind, each.day.isoformat(), None, None, drifted=True) for each in found.disturbances]
    span: Row = {
        "since": found.since,
        "until": found.until,
        "model_version": found.model_version,
        "drafts": found.kind,
    }
    return Table(columns, [span | row for row in rows])


def _drift_figures(found: Findings) -> list[Row]:
    """Return a row for each figure of some drafts; of none there are no figures."""
    performance, relation = found.performance, found.relation
    rows: list[Row] = [
        _drift_row(kind, name, found.drafts, value, noise=noise, drifted=each.drifted)
        for each in found.columns
        for kind, name, value, noise in (
            ("data", f"{each.column} psi", each.psi, each.psi_noise),
            ("data", f"{each.column} jensen-shannon", each.js, each.js_noise),
        )
    ]
    rows.append(
        _drift_row("concept", "shift", relation.n, relation.shift, noise=relation.noise, drifted=relation.drifted)
    )
    rows += [
        _drift_row("model", name, performance.n, value, drifted=performance.drifted if name == "by model" else None)
        for name, value in (
            ("jaccard", performance.jaccard),
            ("jaccard reference", performance.reference),
            ("change", performance.change),
            ("by inputs", performance.by_inputs),
            ("by relation", performance.by_relation),
            ("by model", performance.by_model),
            ("unknown posted tags", performance.unknown),
            ("unknown posted tags reference", performance.unknown_reference),
        )
    ]
    return rows


def _drift_row(
    kind: str,
    name: str,
    n: int | None,
    value: float | Measured | None,
    *,
    noise: float | None = None,
    drifted: bool | None,
) -> Row:
    measured = value if isinstance(value, Measured) else None
    return {
        "kind": kind,
        "name": name,
        "n": n,
        "value": measured.value if measured else value if not isinstance(value, Measured) else None,
        "low": measured.low if measured else None,
        "high": measured.high if measured else None,
        "noise": noise,
        "drifted": None if drifted is None else "yes" if drifted else "no",
    }


async def _drift(asked: Asked) -> Table:
    return drift_table(await drift_of(asked.session, asked.filters))


async def drift_of(session: AsyncSession, filters: Filters) -> Findings | None:
    """The newest import, whatever else is filtered, of the view's kind of drafts; without one, of any kind."""
    return await newest_drift(session, filters.kind) or await newest_drift(session)


async def _acts(asked: Asked) -> Table:
    return acts_table(await newest(asked.session, ACTS_KEPT))


def experiment_table(standing: ExperimentStatus | None) -> Table:
    """One row a figure: the arms side by side, by install, of the experiment that runs, or else of the last one.

    Until the verdict the bounds of the difference hold however often one looks; from then on they are of one look.
    """
    sides = ("installs", "n", "value", "low", "high")
    arms = [f"{arm}_{side}" for arm in ARMS for side in sides]
    columns = ("model_version", "figure", *arms, "difference", "difference_low", "difference_high")
    if standing is None:
        return Table(columns, [])
    rows: list[Row] = []
    for found in standing.arms:
        row: Row = {"model_version": standing.deployment.model_version, "figure": found.figure.name}
        for arm, estimate, n in zip(ARMS, (found.champion, found.challenger), found.trials, strict=True):
            low, high = (estimate.interval if estimate else None) or (None, None)
            of_arm = (estimate.installs if estimate else 0, n, estimate.value if estimate else None, low, high)
            row |= dict(zip((f"{arm}_{side}" for side in sides), map(_rounded, of_arm), strict=True))
        difference = found.difference
        for name in ("difference", "difference_low", "difference_high"):
            part = name.removeprefix("difference_") if name != "difference" else "value"
            row[name] = _rounded(getattr(difference, part)) if difference else None
        rows.append(row)
    return Table(columns, rows)


def _rounded(value: float | None) -> int | float | None:
    return round(value, DIGITS) if isinstance(value, float) else value


async def _experiment(asked: Asked) -> Table:
    return experiment_table(await standing_of(asked.session))


async def standing_of(session: AsyncSession) -> ExperimentStatus | None:
    """How the experiment that runs, or else the last one, stood when it was last judged."""
    deployment = await find_latest_experiment(session)
    return None if deployment is None else await last_status(session, deployment)


def guardrails_table(standing: ExperimentStatus | None) -> Table:
    """One row a guardrail, as last read."""
    columns = ("model_version", "guardrail", "n", "champion", "challenger", "breached", "words", "read_at")
    if standing is None:
        return Table(columns, [])
    rows: list[Row] = []
    for name in TITLES:
        reading = standing.guardrails.get(name)
        if reading is not None:
            rows.append(
                {
                    "model_version": standing.deployment.model_version,
                    "guardrail": name,
                    "n": reading.n,
                    "champion": _rounded(reading.champion),
                    "challenger": _rounded(reading.challenger),
                    "breached": None if reading.breached is None else "yes" if reading.breached else "no",
                    "words": reading.words,
                    "read_at": reading.read_at.isoformat(),
                }
            )
    return Table(columns, rows)


async def _guardrails(asked: Asked) -> Table:
    return guardrails_table(await standing_of(asked.session))


def deployments_table(
    rows: Sequence[Deployment], verdicts: Mapping[UUID, VerdictRow], standing: ExperimentStatus | None
) -> Table:
    """One row a deployment, the newest first; ``stands`` is an experiment's verdict, or how far it is."""
    own = ("number", "model_version", "role", "share", "started_at", "ended_at", "ended_because", "horizon")
    of_verdict = ("installs", "difference", "low", "high")
    found: list[Row] = []
    for row in rows:
        verdict = verdicts.get(row.id)
        stands = None if verdict is None else verdict.word
        if standing is not None and standing.deployment.id == row.id:
            stands = standing.summary
        found.append(
            {name: _written(getattr(row, name)) for name in own}
            | {"stands": stands}
            | {f"verdict_{name}": _rounded(getattr(verdict, name)) if verdict else None for name in of_verdict}
        )
    return Table((*own, "stands", *(f"verdict_{name}" for name in of_verdict)), found)


async def _deployments(asked: Asked) -> Table:
    session = asked.session
    return deployments_table(await list_deployments(session), await read_verdicts(session), await standing_of(session))


def shadow_table(found: tuple[Deployment, ShadowScores] | None) -> Table:
    """The version in the shadow and what was shown, side by side on the same posted drafts."""
    columns = ("model_version", "drafts", "mean_precision", "mean_recall", "mean_jaccard")
    if found is None:
        return Table(columns, [])
    deployment, scores = found
    return Table(
        columns,
        [
            {
                "model_version": name,
                "drafts": each.drafts,
                "mean_precision": _rounded(each.precision),
                "mean_recall": _rounded(each.recall),
                "mean_jaccard": _rounded(each.jaccard),
            }
            for name, each in ((deployment.model_version, scores.shadow), ("shown", scores.shown))
        ],
    )


async def shadow_of(session: AsyncSession) -> tuple[Deployment, ShadowScores] | None:
    """The version in the shadow, or the last that was, and how it does."""
    deployment = next((each for each in await list_deployments(session) if each.role == "shadow"), None)
    return None if deployment is None else (deployment, await score_shadow(session, deployment.id))


async def _shadow(asked: Asked) -> Table:
    return shadow_table(await shadow_of(asked.session))


def releases_table(found: Sequence[Release]) -> Table:
    """One row a step in the life of the models, within the period."""
    return Table(("at", "what"), [{"at": mark.at.isoformat(), "what": mark.description} for mark in found])


async def releases_of(session: AsyncSession, filters: Filters) -> list[Release]:
    """Every step within the period, in order."""
    (span,) = filters.selection.spans
    return await list_releases(session, span.start, span.end)


async def _releases(asked: Asked) -> Table:
    return releases_table(await releases_of(asked.session, asked.filters))


async def _grid(asked: Asked) -> Grid:
    return await count_grid(asked.session, asked.filters, asked.vocabulary, asked.now)


async def _count_tags(asked: Asked) -> dict[str, Counts]:
    return await count_tags(asked.session, asked.filters, asked.vocabulary, asked.now)


PANELS: dict[str, Callable[[Asked], Awaitable[Table]]] = {
    "alerts": _alerts,
    "overview": _overview,
    "days": _days,
    "tags": _tags,
    "positions": _positions,
    "orders": _orders,
    "models": _models,
    "experiment": _experiment,
    "guardrails": _guardrails,
    "deployments": _deployments,
    "shadow": _shadow,
    "releases": _releases,
    "missed": _missed,
    "worst": _worst,
    "sites": _sites,
    "lengths": _lengths,
    "calibration": _calibration,
    "latency": _latency,
    "requests": _requests,
    "worth": _worth,
    "bookkeeping": _bookkeeping,
    "drift": _drift,
    "acts": _acts,
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
    """Return the rows as CSV: a figure is spread over columns, n/a is an empty cell."""
    # Which columns hold figures does not depend on there being a row.
    spread = {name for name in table.columns if name in FIGURE_COLUMNS}
    header = [
        column
        for name in table.columns
        for column in ([_column(name, part) for part in PARTS_OF_FIGURE] if name in spread else [name])
    ]
    rows = []
    for row in table.rows:
        cells: list[object] = []
        for name in table.columns:
            cell = row[name]
            cells.extend(parts(cell).values() if isinstance(cell, Rate | Mean) else [cell])
        rows.append(cells)
    return write_csv(header, rows)


FIGURE_COLUMNS = frozenset({"result", "before", *(figure.name for figure in FIGURES)})


def _column(name: str, part: str) -> str:
    return part if name == "result" else f"{name}_{part}"
