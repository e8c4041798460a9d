"""The page: what the templates are given, and how figures are put into words."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from sqlalchemy.ext.asyncio import AsyncSession

from backend.acceptance import figures, service
from backend.acceptance.figures import ENOUGH, Change, Counts, Figure, Mean, Rate
from backend.acceptance.filters import KINDS
from backend.acceptance.service import Bookkeeping, Choices
from backend.admin import charts
from backend.admin.address import PERIODS, View

FOLDER = Path(__file__).parent
STYLE = (FOLDER / "static" / "style.css").read_text(encoding="utf-8")

# The page shows this many rows of its long tables; their JSON and CSV have all.
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

    overview: Counts
    before: Counts
    days: dict[date, Counts]
    models: dict[str, Counts]
    positions: dict[int | None, Counts]
    tags: dict[str, Counts]
    bookkeeping: Bookkeeping


async def measure(session: AsyncSession, view: View, vocabulary: Collection[str], now: datetime) -> Measured:
    """Ask the database for everything that the page shows."""
    grid = await service.count_grid(session, view.filters, vocabulary, now)
    before = await service.count_grid(session, view.filters.before, vocabulary, now)
    return Measured(
        overview=grid.overview(),
        before=before.overview(),
        days=grid.by_day(view.filters),
        models=grid.by_model_version(),
        positions=grid.by_position(),
        tags=await service.count_tags(session, view.filters, vocabulary, now),
        bookkeeping=await service.bookkeeping(session, view.filters),
    )


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


def thousands(n: int) -> str:
    """A whole number with commas."""
    return f"{n:,}"


def long_day(day: date) -> str:
    """A day in words: ``3 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"


def few(figure: Rate | Mean) -> bool:
    """Whether the figure rests on too little to go by."""
    return figure.n < ENOUGH


def chart(figure: Figure, days: dict[date, Counts], *, width: float, height: float, css: str = "") -> str:
    """A figure by day."""
    points = []
    for day, counts in days.items():
        result = figure.of(counts)
        words = f"{long_day(day)}: {percent(result)}"
        if result.value is not None:
            words += f" ({interval(result)}), {fraction(result, figure.unit)}"
        points.append(charts.point(day, result, words))
    label = f"{figure.title} by day with its 95 % interval; the table of days has the numbers"
    return charts.line(points, label=label, width=width, height=height, css=css)


def top_of(results: Sequence[Rate | Mean]) -> float:
    """One scale for the bars of a table: the smallest that holds every value and every sure bound."""
    values = [result.value for result in results if result.value is not None]
    bounds = [result.interval[1] for result in results if result.interval is not None and not few(result)]
    return charts.smallest_top(max((*values, *bounds), default=1.0))


def figure_of(counts: Counts, figure: Figure) -> Rate | Mean:
    """A figure of a row of counts, as a filter."""
    return figure.of(counts)


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
        points=points,
        figure_of=figure_of,
    )
    environment.globals.update(
        few=few, chart=chart, bar=charts.bar, top_of=top_of, figures=figures, ENOUGH=ENOUGH, **ROWS_SHOWN
    )
    return environment


TEMPLATES = _environment()


def render(view: View, choices: Choices, found: Measured, now: datetime, *, has_vocabulary: bool) -> str:
    """The page as HTML."""
    missed = [(tag, counts) for tag, counts in found.tags.items() if counts.missed_tags]
    missed.sort(key=lambda row: (-row[1].missed_tags, row[0]))
    return TEMPLATES.get_template("metrics.html").render(
        view=view,
        filters=view.filters,
        choices=choices,
        kinds=KINDS,
        kind_titles=KIND_TITLES,
        periods={period: PERIOD_TITLES[period] for period in PERIODS},
        found=found,
        viewed_tags=[(tag, counts) for tag, counts in found.tags.items() if counts.viewed],
        missed_tags=missed,
        unknown_tags=[(tag, counts) for tag, counts in missed if counts.unknown_tags],
        has_vocabulary=has_vocabulary,
        main_chart=MAIN_CHART,
        side_charts=SIDE_CHARTS,
        now=now,
    )


def render_problem(title: str, detail: str) -> str:
    """An error as a page."""
    return TEMPLATES.get_template("problem.html").render(title=title, detail=detail)
