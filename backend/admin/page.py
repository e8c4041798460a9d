"""The page: what the templates are given, and how figures are put into words."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from functools import partial
from itertools import groupby
from pathlib import Path
from uuid import UUID

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance import figures
from backend.acceptance.bookkeeping import Bookkeeping, count_bookkeeping
from backend.acceptance.choices import Choices
from backend.acceptance.counts import Latency, count_all, count_grid, measure_latencies
from backend.acceptance.figures import MIN_SAMPLE, Change, Counts, Figure, Mean, Rate
from backend.acceptance.filters import ARMS, KINDS, Filters
from backend.acceptance.queries.items import SCORE_BANDS
from backend.acceptance.value_estimate import PRICE_PER_CORE_HOUR, SECONDS_PER_TAG, ValueEstimate, estimate_value
from backend.admin import charts
from backend.admin.panels import (
    A_DAY,
    chosen_tags,
    detailed,
    drift_of,
    length_name,
    releases_of,
    shadow_of,
    standing_of,
)
from backend.admin.query import PERIODS, SORTS, View
from backend.alerts.evaluation import is_old
from backend.alerts.rules import Drifting, Rule
from backend.alerts.service import list_alerts
from backend.alerts.tables import AlertRow
from backend.audit.service import newest
from backend.audit.tables import Act
from backend.deployments.service import Release, list_deployments
from backend.deployments.tables import Deployment
from backend.drift.findings import Findings
from backend.experiments.guardrails import TITLES
from backend.experiments.service import BY_SERVICE
from backend.experiments.shadow_scores import ShadowScores
from backend.experiments.status import ExperimentStatus, read_verdicts
from backend.experiments.tables import VerdictRow
from backend.web.request_stats import RequestStats, read_request_stats

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "static" / "style.css").read_text(encoding="utf-8")

# The page shows this many rows of its long tables; their JSON and CSV have all.
REPORT_ROWS = 10
ACTS_SHOWN = 10
DEPLOYMENTS_SHOWN = 10
STOPPED_SHOWN = timedelta(days=7)
# Tags that the page names at once, before any table.
NAMED_AT_ONCE = 3
ROWS_SHOWN = {"DAYS_SHOWN": 400, "TAGS_SHOWN": 25, "MISSED_SHOWN": 20, "UNKNOWN_SHOWN": 10}

PERIOD_TITLES = {"7d": "7 days", "28d": "28 days", "90d": "90 days", "365d": "12 months", "all": "All"}
KIND_TITLES = {
    "ask": "questions being asked",
    "edit": "posts being edited",
    "try": "the page to try it",
    "demo": "demo traffic",
}

# Over time: the one that the product is judged by, then the others beside each other.
MAIN_CHART = figures.ACCEPTANCE
SIDE_CHARTS = (figures.KEPT, figures.HELP, figures.DISMISSAL, figures.COVERAGE, figures.JACCARD, figures.MISSED)


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything one page shows, from one state of the database; ``before`` is the period before."""

    alerts: list[AlertRow]
    overview: Counts
    before: Counts
    days: dict[date, Counts]
    models: dict[str, Counts]
    positions: dict[int | None, Counts]
    sites: dict[str, Counts]
    lengths: dict[int, Counts]
    scores: dict[int, Counts]
    latencies: list[Latency]
    requests: RequestStats
    worth: ValueEstimate
    tags: dict[str, Counts]
    bookkeeping: Bookkeeping
    drift: Findings | None
    acts: list[Act]
    random_positions: dict[int | None, Counts]
    experiment: ExperimentStatus | None
    deployments: list[Deployment]
    verdicts: Mapping[UUID, VerdictRow]
    shadow: tuple[Deployment, ShadowScores] | None
    releases: list[tuple[date, list[Release]]]


async def measure(session: AsyncSession, view: View, vocabulary: Collection[str], now: datetime) -> Measured:
    """Ask the database for everything that the page shows."""
    counted = await count_all(session, view.filters, vocabulary, now)
    grid, offers = counted.grid, counted.offers
    before = await count_grid(session, view.filters.before, vocabulary, now)
    latencies = await measure_latencies(session, view.filters, now)
    overview = grid.overview()
    return Measured(
        alerts=await list_alerts(session, now),
        overview=overview,
        before=before.overview(),
        days=grid.by_day(view.filters),
        models=grid.by_model_version(),
        positions=grid.by_position(),
        sites=grid.by_site(),
        lengths=offers.by_length(),
        scores=offers.by_score(),
        latencies=latencies,
        requests=await read_request_stats(session, now - A_DAY),
        worth=estimate_value(overview, latencies[0].p50 if latencies else None),
        tags=counted.tags,
        bookkeeping=await count_bookkeeping(session, view.filters, now),
        drift=await drift_of(session, view.filters),
        acts=await newest(session, ACTS_SHOWN),
        random_positions=grid.by_position("random"),
        experiment=await standing_of(session),
        deployments=await list_deployments(session),
        verdicts=await read_verdicts(session),
        shadow=await shadow_of(session),
        releases=by_day(await releases_of(session, view.filters)),
    )


def stopped(deployments: Sequence[Deployment], now: datetime) -> list[Deployment]:
    """Challengers that the service itself has ended lately, by a guardrail or since they were worse."""
    return [
        each
        for each in deployments
        if each.ended_at is not None
        and each.ended_at > now - STOPPED_SHOWN
        and (each.ended_because or "").startswith(BY_SERVICE)
    ]


def worst_tags(tags: Mapping[str, Counts]) -> list[tuple[str, Counts]]:
    """The tags that were seen often enough, those least accepted first."""
    seen = [(tag, counts) for tag, counts in tags.items() if counts.viewed >= MIN_SAMPLE]
    return sorted(seen, key=lambda row: (row[1].accepted / row[1].viewed, -row[1].viewed, row[0]))


def by_day(marks: Sequence[Release]) -> list[tuple[date, list[Release]]]:
    """Steps in the life of the models, day by day in UTC, in order; the page numbers these days from 1."""
    return [(day, list(steps)) for day, steps in groupby(marks, key=lambda mark: mark.at.astimezone(UTC).date())]


def percent(figure: Rate | Mean) -> str:
    """The value in per cent with one digit; n/a of nothing."""
    return "n/a" if figure.value is None else f"{figure.value * 100:.1f} %"


def interval(figure: Rate | Mean) -> str:
    """The bounds in per cent: ``37.0-46.1 %``; empty of nothing."""
    if figure.interval is None:
        return ""
    low, high = figure.interval
    return f"{low * 100:.1f}\N{EN DASH}{high * 100:.1f} %"


def fraction(figure: Rate | Mean, unit: str) -> str:
    """What the figure was worked out of: ``120 of 291 items``, or for a mean ``mean of 40 drafts``."""
    if isinstance(figure, Mean):
        return f"mean of {plural(figure.n, unit)}"
    return f"{thousands(figure.numerator)} of {plural(figure.denominator, unit)}"


def plural(n: int, unit: str) -> str:
    """A number with its unit, given in the plural: ``1 draft``, ``2 drafts``."""
    return f"{thousands(n)} {unit[:-1] if n == 1 else unit}"


def points(change: Change) -> str:
    """A change in points of per cent with its sign: ``+1.8``, ``\N{MINUS SIGN}0.4``."""
    value = round(change.value * 100, 1)
    return f"{'+' if value >= 0 else chr(0x2212)}{abs(value):.1f}"


def share(value: float | None) -> str:
    """A share in per cent with one digit; n/a of nothing."""
    return "n/a" if value is None else f"{value * 100:.1f} %"


def in_points(value: float) -> str:
    """A difference of shares in points of per cent with its sign: ``+1.8``."""
    return f"{value * 100:+.1f}".replace("-", "\N{MINUS SIGN}")


def thousands(n: int) -> str:
    """A whole number with commas."""
    return f"{n:,}"


def position_name(position: int | None) -> str:
    """A position on screen."""
    return "unknown" if position is None else str(position)


def duration(seconds: float) -> str:
    """Seconds in the unit that suits them: ``48 s``, ``12 min``, ``3.4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def chosen(filters: Filters) -> str:
    """Whose figures these are: ``questions being asked, stackoverflow.com, light-c22ec615, challenger's arm``."""
    arm = None if filters.arm is None else f"{filters.arm}'s arm"
    return ", ".join(filter(None, (KIND_TITLES[filters.kind], filters.site, filters.model_version, arm)))


def long_day(day: date) -> str:
    """A day in words: ``3 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"


def few(figure: Rate | Mean) -> bool:
    """Whether the figure rests on too little to go by."""
    return figure.n < MIN_SAMPLE


def chart(
    figure: Figure,
    days: dict[date, Counts],
    *,
    width: float,
    height: float,
    css: str = "",
    releases: Sequence[tuple[date, list[Release]]] = (),
) -> str:
    """A figure by day, with marks where something was released."""

    def words(day: date, result: Rate | Mean) -> str:
        told = f"{long_day(day)}: {percent(result)}"
        if result.value is not None:
            told += f" ({interval(result)}), {fraction(result, figure.unit)}"
        return told

    results = {day: figure.compute(counts) for day, counts in days.items()}
    points = [charts.point(day, result, partial(words, day, result)) for day, result in results.items()]
    label = f"{figure.title} by day with its 95 % interval; the table of days has the numbers"
    marks = {day: number for number, (day, _) in enumerate(releases, start=1)}
    return charts.line(points, label=label, width=width, height=height, css=css, marks=marks)


def top_of(results: Sequence[Rate | Mean]) -> float:
    """One scale for the bars of a table: the smallest that holds every value and every sure bound."""
    values = [result.value for result in results if result.value is not None]
    bounds = [result.interval[1] for result in results if result.interval is not None and not few(result)]
    return charts.smallest_top(max((*values, *bounds), default=1.0))


def number(figure: Figure, counts: Counts) -> Markup:
    """A figure as a table's cell. Not a macro: the table of days has thousands, and this takes half the time."""
    result = figure.compute(counts)
    bounds = f" <small>{interval(result)}</small>" if result.value is not None else ""
    return Markup(f'<td class="number{" few" if few(result) else ""}">{percent(result)}{bounds}</td>')  # noqa: S704


def figure_of(counts: Counts, figure: Figure) -> Rate | Mean:
    """A figure of a row of counts, as a filter."""
    return figure.compute(counts)


def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        percent=percent,
        interval=interval,
        fraction=fraction,
        plural=plural,
        thousands=thousands,
        long_day=long_day,
        chosen=chosen,
        points=points,
        duration=duration,
        share=share,
        in_points=in_points,
        detailed=detailed,
        figure_of=figure_of,
    )
    environment.globals.update(
        few=few,
        number=number,
        chart=chart,
        calibration=charts.calibration,
        length_name=length_name,
        position_name=position_name,
        bar=charts.bar,
        top_of=top_of,
        figures=figures,
        guardrail_titles=TITLES,
        MIN_SAMPLE=MIN_SAMPLE,
        SCORE_BANDS=SCORE_BANDS,
        SECONDS_PER_TAG=SECONDS_PER_TAG,
        PRICE_PER_CORE_HOUR=PRICE_PER_CORE_HOUR,
        DEPLOYMENTS_SHOWN=DEPLOYMENTS_SHOWN,
        **ROWS_SHOWN,
    )
    return environment


TEMPLATES = _environment()


def render(
    view: View,
    choices: Choices,
    found: Measured,
    now: datetime,
    *,
    has_vocabulary: bool,
    rules: Mapping[str, Rule],
) -> str:
    """The page as HTML."""
    missed = [(tag, counts) for tag, counts in found.tags.items() if counts.missed_tags]
    missed.sort(key=lambda row: (-row[1].missed_tags, row[0]))
    return TEMPLATES.get_template("metrics.html").render(
        view=view,
        filters=view.filters,
        choices=choices,
        kinds=KINDS,
        arms=ARMS,
        kind_titles=KIND_TITLES,
        periods={period: PERIOD_TITLES[period] for period in PERIODS},
        found=found,
        worst_tags=worst_tags(found.tags)[:NAMED_AT_ONCE],
        most_missed=missed[:NAMED_AT_ONCE],
        viewed_tags=[(tag, counts) for tag, counts in chosen_tags(found.tags, view).items() if counts.viewed],
        sorts=SORTS,
        rules=rules,
        report_query=view.query(period="", since="", until="", tag="", sort=""),
        missed_tags=missed,
        never_offered=sum(counts.missed_tags == counts.posted_tags for _, counts in missed),
        unknown_tags=[(tag, counts) for tag, counts in missed if counts.unknown_tags],
        has_vocabulary=has_vocabulary,
        stopped=stopped(found.deployments, now),
        drift_days=(now.date() - found.drift.until).days if found.drift else None,
        drift_is_old=found.drift is not None
        and any(
            isinstance(rule, Drifting) and is_old(found.drift, rule, now.date() - A_DAY) for rule in rules.values()
        ),
        score_points=[
            (counts.score_sum / counts.viewed, figures.AGREEMENT.compute(counts))
            for counts in found.scores.values()
            if counts.viewed
        ],
        main_chart=MAIN_CHART,
        side_charts=SIDE_CHARTS,
        now=now,
    )


def render_report(view: View, found: Measured, now: datetime, empty_month: date | None = None) -> str:
    """Return the report of a month, or of any other span, as HTML to print.

    Args:
        view: what it is about.
        found: its figures.
        now: when it is made.
        empty_month: the last whole month, if another one is reported because that one has no drafts.
    """
    tags = {tag: counts for tag, counts in found.tags.items() if counts.viewed}
    missed = sorted(
        ((tag, counts) for tag, counts in found.tags.items() if counts.missed_tags),
        key=lambda row: (-row[1].missed_tags, row[0]),
    )

    def ordered(sort: str) -> list[tuple[str, Counts]]:
        chosen = chosen_tags(tags, replace(view, search="", sort=sort))
        return [(tag, counts) for tag, counts in chosen.items() if counts.viewed >= MIN_SAMPLE][:REPORT_ROWS]

    return TEMPLATES.get_template("report.html").render(
        view=view,
        filters=view.filters,
        found=found,
        best=ordered("best"),
        worst=ordered("worst"),
        missed=missed[:REPORT_ROWS],
        main_chart=MAIN_CHART,
        side_charts=SIDE_CHARTS,
        now=now,
        empty_month=empty_month,
    )


def render_problem(title: str, detail: str) -> str:
    """An error as a page."""
    return TEMPLATES.get_template("problem.html").render(title=title, detail=detail)
