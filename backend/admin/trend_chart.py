"""The chart of the first screen: a figure by day, the mean of its weeks, and the period before behind it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from backend.acceptance.figures import MIN_SAMPLE, Mean, Rate
from backend.admin.charts import (
    HOVER_ROOM,
    LABEL_WIDTH,
    LEFT,
    RIGHT,
    TOP,
    Plot,
    Point,
    draw_days,
    draw_marks,
    draw_runs,
    element,
    runs_of_values,
)

DAYS_OF_WEEK = 7

# Steps of a scale, and the most of them: beyond that, labels would crowd the chart. Shares.
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)
MAX_STEPS = 5

# A scale fitted to values that hardly differ would make a drama of chance. A share.
LEAST_SPAN = 0.1

# Narrower than this, dots of days would touch. Pixels.
DOT_ROOM = 5


@dataclass(frozen=True, slots=True)
class Trend:
    """What the chart shows: one entry a day in each sequence, None where there is nothing to show.

    Attributes:
        points: the days.
        weeks: the mean of the seven days that end with each day.
        before: the same means of the period before, its first day under the first day.
        links: where a day leads to.
    """

    points: Sequence[Point]
    weeks: Sequence[float | None]
    before: Sequence[float | None]
    links: Sequence[str]


def week_means(results: Sequence[Rate | Mean]) -> list[float | None]:
    """Return, for each day, the share over the seven days that end with it; None while these are too few to count on.

    Weekends differ from other days; a whole week has one of each.
    """
    means: list[float | None] = []
    for last in range(len(results)):
        week = results[max(0, last - DAYS_OF_WEEK + 1) : last + 1]
        n = sum(result.denominator for result in week)
        means.append(sum(result.numerator for result in week) / n if n >= MIN_SAMPLE else None)
    return means


def fit_scale(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the low and the high end of a scale that fits the values, and its step; 0 to 1 without values."""
    if not values:
        return 0.0, 1.0, STEPS[-1]
    middle = (min(values) + max(values)) / 2
    low, high = min(*values, middle - LEAST_SPAN / 2), max(*values, middle + LEAST_SPAN / 2)
    for step in STEPS:
        # Rounded, so that 0.35 / 0.05 is seven steps and not a little more.
        first, last = math.floor(round(max(low, 0.0) / step, 6)), math.ceil(round(min(high, 1.0) / step, 6))
        if last - first <= MAX_STEPS:
            return first * step, last * step, step
    return 0.0, 1.0, STEPS[-1]


def trend_chart(
    trend: Trend,
    *,
    label: str,
    width: float,
    height: float,
    css: str = "",
    marks: Mapping[date, int] | None = None,
) -> Markup:
    """Draw the trend, and over it a link for each day.

    Args:
        trend: at least one day.
        label: what the chart shows, for those who do not see it.
        width, height: of the drawing, in pixels.
        css: another class of the drawings.
        marks: days on which something was released, each with its number in the legend.
    """
    points = trend.points
    valued = [point for point in points if point.value is not None]
    # A day with few chips may lie anywhere, and is cut off at the edge.
    reliable = [point for point in valued if not point.is_small] or valued
    shown = [point.value or 0.0 for point in reliable]
    shown += [value for value in (*trend.weeks, *trend.before) if value is not None]
    low, high, step = fit_scale(shown)
    plot = Plot(len(points), width, height, low, high)
    size = {"viewBox": f"0 0 {width:g} {height:g}"}
    picture = element(
        "svg",
        *_draw_scale(plot, width, step),
        *draw_days(points, plot.x, height - 6, max(1, int(plot.room // LABEL_WIDTH))),
        *draw_marks(points, plot, marks or {}),
        *_draw_line(trend.before, plot, "line before"),
        *draw_runs(points, plot, css=" day"),
        *_draw_dots(points, plot),
        *_draw_line(trend.weeks, plot, "line"),
        **size,
        class_=f"chart {css}".strip(),
        role="img",
        aria_label=label,
    )
    if plot.day_width < HOVER_ROOM:
        return picture
    # Pictures hold nothing to focus. These are for pointers; the table of days has the same links for keyboards.
    links = element("svg", *_draw_links(trend, plot), **size, class_=f"chart links {css}".strip(), aria_hidden="true")
    return picture + links


def _draw_scale(plot: Plot, width: float, step: float) -> Iterator[Markup]:
    steps = round((plot.high - plot.low) / step)
    for number in range(steps + 1):
        share = plot.low + number * step
        y = plot.y(share)
        yield element("text", f"{round(share * 100, 6):g} %", x=LEFT - 8, y=y + 4, class_="tick", text_anchor="end")
        css = "grid" if number else "base"
        yield element("line", x1=LEFT, x2=width - RIGHT, y1=y, y2=y, class_=css)


def _draw_line(values: Sequence[float | None], plot: Plot, css: str) -> Iterator[Markup]:
    for run in runs_of_values(values):
        ends = [run[0], run[0]] if len(run) == 1 else run
        coordinates = " ".join(f"{plot.x(i):.1f},{plot.y(values[i] or 0.0):.1f}" for i in ends)
        yield element("polyline", points=coordinates, class_=css)


def _draw_dots(points: Sequence[Point], plot: Plot) -> Iterator[Markup]:
    if plot.day_width < DOT_ROOM:
        return
    for i, point in enumerate(points):
        if point.value is not None:
            css = "dot few" if point.is_small else "dot"
            yield element("circle", cx=plot.x(i), cy=plot.y(point.value), r=3, class_=css)


def _draw_links(trend: Trend, plot: Plot) -> Iterator[Markup]:
    for i, (point, link) in enumerate(zip(trend.points, trend.links, strict=True)):
        area = element(
            "rect",
            element("title", point.describe()),
            x=plot.x(i) - plot.day_width / 2,
            y=TOP,
            width=plot.day_width,
            height=plot.floor - TOP,
            class_="hover",
        )
        yield element("a", area, href=link, tabindex="-1")
