"""The environment of the page's templates, and what they call: charts and table cells of figures."""

from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from backend.acceptance import figures
from backend.acceptance.figures import MIN_SAMPLE, Counts, Figure, Mean, Rate, is_small
from backend.acceptance.filters import ARMS, KINDS, ORIGINS
from backend.acceptance.queries.items import SCORE_BANDS
from backend.admin import charts
from backend.admin.formatting import (
    KIND_TITLES,
    ORIGIN_TITLES,
    details_line,
    duration,
    earlier_span_in_words,
    filters_title,
    fraction,
    interval,
    long_day,
    percent,
    plural,
    points,
    position_name,
    share,
    since_when,
    thousands,
    why_nothing,
)
from backend.admin.panels.releases import ReleasesByDay
from backend.admin.query import SORTS, View
from backend.admin.sentences import TREND_TITLES
from backend.admin.trend_chart import Trend, trend_chart, week_means
from backend.experiments.guardrails import TITLES

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "static" / "style.css").read_text(encoding="utf-8")

# The page shows this many rows of its long tables; their JSON and CSV have all.
ROWS_SHOWN = {
    "ALERTS_SHOWN": 3,
    "TAGS_NAMED": 3,
    "DAYS_SHOWN": 400,
    "TAGS_SHOWN": 25,
    "MISSED_SHOWN": 20,
    "UNKNOWN_SHOWN": 10,
    "DEPLOYMENTS_SHOWN": 10,
}

# The figure that the product is judged by, then the others beside each other.
MAIN_CHART = figures.ACCEPTANCE
SIDE_CHARTS = (figures.KEPT, figures.HELP, figures.DISMISSAL, figures.COVERAGE, figures.JACCARD, figures.MISSED)


def day_chart(
    figure: Figure,
    counts_by_day: dict[date, Counts],
    *,
    width: float,
    height: float,
    css: str = "",
    releases: ReleasesByDay,
) -> str:
    """Draw a figure by day, with marks where something was released."""
    label = f"{figure.title} by day with its 95 % interval; the table of days has the numbers"
    points = [_to_point(figure, day, figure.compute(counts)) for day, counts in counts_by_day.items()]
    return charts.line_chart(points, label=label, width=width, height=height, css=css, marks=_marks(releases))


def draw_trend(
    counts_by_day: dict[date, Counts],
    counts_by_earlier_day: dict[date, Counts],
    *,
    view: View,
    releases: ReleasesByDay,
    sizes: Mapping[str, tuple[float, float]],
) -> Markup:
    """Draw the main figure with its weeks and the period before, once for each size: class, width, height."""
    results = [MAIN_CHART.compute(counts) for counts in counts_by_day.values()]
    earlier = [MAIN_CHART.compute(counts) for counts in counts_by_earlier_day.values()]
    weeks, before = week_means(results), week_means(earlier)
    if view.before == view.filters.before:
        # These days follow the earlier ones, so the weeks that begin there are known as well.
        weeks = week_means([*earlier, *results])[len(earlier) :]
    trend = Trend(
        points=[_to_point(MAIN_CHART, day, result) for day, result in zip(counts_by_day, results, strict=True)],
        weeks=weeks,
        before=before,
        links=[f"/metrics?{view.query(since=day.isoformat(), until=day.isoformat())}" for day in counts_by_day],
    )
    label = (
        f"{MAIN_CHART.title} by day, the mean of each week, and the period before; the table of days has the numbers"
    )
    return Markup("").join(
        trend_chart(trend, label=label, width=width, height=height, css=css, marks=_marks(releases))
        for css, (width, height) in sizes.items()
    )


def _to_point(figure: Figure, day: date, result: Rate | Mean) -> charts.Point:
    def describe() -> str:
        text = f"{long_day(day)}: {percent(result)}"
        if result.value is not None:
            text += f" ({interval(result)}), {fraction(result, figure.unit)}"
        return text

    return charts.to_point(day, result, describe)


def _marks(releases: ReleasesByDay) -> dict[date, int]:
    return {day: number for number, (day, _) in enumerate(releases, start=1)}


def scale_of_bars(results: Sequence[Rate | Mean]) -> float:
    """Return one scale for the bars of a table: the smallest that holds every value and the bounds of large samples."""
    values = [result.value for result in results if result.value is not None]
    bounds = [result.interval[1] for result in results if result.interval is not None and not is_small(result)]
    return charts.smallest_scale(max((*values, *bounds), default=1.0))


def number_cell(figure: Figure, counts: Counts) -> Markup:
    """Return a figure as a table's cell. Not a macro: the table of days has thousands, and this takes half the time."""
    result = figure.compute(counts)
    bounds = why_nothing(figure) if result.value is None else interval(result)
    few = " few" if is_small(result) else ""
    return Markup(f'<td class="number{few}">{percent(result)} <small>{bounds}</small></td>')  # noqa: S704 - numbers only


def compute_figure(counts: Counts, figure: Figure) -> Rate | Mean:
    """Compute a figure of counts, as a filter."""
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
        compute_figure=compute_figure,
        details_line=details_line,
        duration=duration,
        filters_title=filters_title,
        fraction=fraction,
        interval=interval,
        long_day=long_day,
        percent=percent,
        plural=plural,
        points=points,
        share=share,
        thousands=thousands,
        why_nothing=why_nothing,
    )
    environment.globals.update(
        ARMS=ARMS,
        KINDS=KINDS,
        KIND_TITLES=KIND_TITLES,
        MAIN_CHART=MAIN_CHART,
        MIN_SAMPLE=MIN_SAMPLE,
        ORIGINS=ORIGINS,
        ORIGIN_TITLES=ORIGIN_TITLES,
        SCORE_BANDS=SCORE_BANDS,
        SIDE_CHARTS=SIDE_CHARTS,
        SORTS=SORTS,
        TREND_TITLES=TREND_TITLES,
        bar=charts.bar,
        calibration_chart=charts.calibration_chart,
        day_chart=day_chart,
        draw_trend=draw_trend,
        earlier_span_in_words=earlier_span_in_words,
        figures=figures,
        guardrail_titles=TITLES,
        is_small=is_small,
        number_cell=number_cell,
        position_name=position_name,
        scale_of_bars=scale_of_bars,
        since_when=since_when,
        **ROWS_SHOWN,
    )
    return environment


TEMPLATES = _environment()


def render_problem(title: str, detail: str) -> str:
    """Render an error as a page."""
    return TEMPLATES.get_template("problem.html").render(title=title, detail=detail)
