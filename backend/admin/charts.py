"""Charts as SVG, drawn on the server: no script, and no style but classes, so that a strict CSP holds.

Every function is pure and returns markup. A chart is drawn at the width it is shown at, so that its text keeps
its size: a wide and a narrow drawing, of which the style sheet shows one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from backend.acceptance.figures import Mean, Rate, is_small

# Where a scale may end, as shares: the smallest that holds everything is taken.
SCALES = (0.1, 0.2, 0.5, 1.0)

# Room for the scale at the left, and for the days below. Pixels.
LEFT, RIGHT, TOP, BELOW = 46.0, 10.0, 10.0, 24.0

# A day's label needs this many pixels.
LABEL_WIDTH = 74.0

# Narrower than this, a day has no room for a dot; and no pointer can hit it. Pixels.
DOT_ROOM, HOVER_ROOM = 12, 2


@dataclass(frozen=True, slots=True)
class Point:
    """One day of a line: a share 0..1 with its bounds, or None for n/a, and a function that describes it."""

    day: date
    value: float | None
    low: float
    high: float
    is_small: bool
    describe: Callable[[], str]


def to_point(day: date, figure: Rate | Mean, describe: Callable[[], str]) -> Point:
    """Return a figure as a day's point."""
    low, high = figure.interval or (figure.value or 0.0, figure.value or 0.0)
    return Point(day, figure.value, low, high, is_small(figure), describe)


def element(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """Return one SVG element; text and attributes are escaped, and an attribute's ``_`` becomes ``-``."""
    # Not Markup's own format and join, which take four times as long; a page has thousands of elements.
    attribute_text = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_format_attribute(value))}"'
        for key, value in attributes.items()
    )
    content = "".join(map(escape, children))
    return Markup(f"<{name}{attribute_text}>{content}</{name}>")  # noqa: S704 - everything is escaped above


def _format_attribute(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


class Plot:
    """Where the days and shares of a chart by day are drawn, in pixels.

    Attributes:
        low, high: the shares at the lower and the upper end.
        room: width for all days.
        floor: where the lower end is.
    """

    def __init__(self, n_days: int, width: float, height: float, low: float, high: float) -> None:
        self.low, self.high = low, high
        self.room, self.floor = width - LEFT - RIGHT, height - BELOW
        self._n_days = n_days

    @property
    def day_width(self) -> float:
        """Width of one day."""
        return self.room / self._n_days

    def x(self, index: int) -> float:
        """Return the middle of a day."""
        return LEFT + self.room * (index + 0.5) / self._n_days

    def y(self, share: float) -> float:
        """Return the height of a share; one beyond an end is at that end."""
        part = (min(max(share, self.low), self.high) - self.low) / (self.high - self.low)
        return self.floor - (self.floor - TOP) * part


def line_chart(
    points: Sequence[Point],
    *,
    label: str,
    width: float,
    height: float = 220.0,
    css: str = "",
    marks: Mapping[date, int] | None = None,
) -> Markup:
    """Draw a line by day with its interval as a band; it breaks where a day has no value.

    Args:
        points: in order, at least one.
        label: what the chart shows, for those who do not see it.
        width, height: of the drawing, in pixels.
        css: another class of the svg element.
        marks: days on which something was released, each with its number in the legend.
    """
    plot = Plot(len(points), width, height, 0.0, end_of_scale(points))
    return element(
        "svg",
        *_draw_scale(plot.high, LEFT, width - RIGHT, plot.y),
        *draw_days(points, plot.x, height - 6, max(1, int(plot.room // LABEL_WIDTH))),
        *draw_marks(points, plot, marks or {}),
        *draw_runs(points, plot),
        *_draw_dots(points, plot),
        *_draw_hover_areas(points, plot),
        viewBox=f"0 0 {width:g} {height:g}",
        class_=f"chart {css}".strip(),
        role="img",
        aria_label=label,
    )


def draw_marks(points: Sequence[Point], plot: Plot, marks: Mapping[date, int]) -> Iterator[Markup]:
    """Draw a line, with its number, on each day on which something was released."""
    for i, point in enumerate(points):
        if point.day in marks:
            x = plot.x(i)
            yield element("line", x1=x, x2=x, y1=TOP, y2=plot.floor, class_="mark")
            yield element("text", str(marks[point.day]), x=x + 3, y=TOP + 9, class_="tick mark", text_anchor="start")


def draw_runs(points: Sequence[Point], plot: Plot, css: str = "") -> Iterator[Markup]:
    """Draw each unbroken run as a line in its band, and a lone day as a whisker; ``css`` is appended to each class."""
    for run in runs(points):
        if len(run) == 1:
            (i,) = run
            x, low, high = plot.x(i), plot.y(points[i].low), plot.y(points[i].high)
            yield element("line", x1=x, x2=x, y1=low, y2=high, class_=f"whisker{css}")
            continue
        upper = [f"{plot.x(i):.1f},{plot.y(points[i].high):.1f}" for i in run]
        lower = [f"{plot.x(i):.1f},{plot.y(points[i].low):.1f}" for i in reversed(run)]
        middle = [f"{plot.x(i):.1f},{plot.y(points[i].value or 0):.1f}" for i in run]
        yield element("polygon", points=" ".join(upper + lower), class_=f"band{css}")
        yield element("polyline", points=" ".join(middle), class_=f"line{css}")


def _draw_dots(points: Sequence[Point], plot: Plot) -> Iterator[Markup]:
    """Draw the days as dots where there is room for them; a lone day is always one."""
    has_room = plot.day_width >= DOT_ROOM
    lone = {run[0] for run in runs(points) if len(run) == 1}
    for i, point in enumerate(points):
        if point.value is not None and (has_room or i in lone):
            css = "dot few" if point.is_small else "dot"
            yield element("circle", cx=plot.x(i), cy=plot.y(point.value), r=3, class_=css)


def _draw_hover_areas(points: Sequence[Point], plot: Plot) -> Iterator[Markup]:
    """Draw what describes a day to a pointer."""
    if plot.day_width < HOVER_ROOM:
        return
    for i, point in enumerate(points):
        yield element(
            "rect",
            element("title", point.describe()),
            x=plot.x(i) - plot.day_width / 2,
            y=TOP,
            width=plot.day_width,
            height=plot.floor - TOP,
            class_="hover",
        )


def end_of_scale(points: Sequence[Point]) -> float:
    """Return the end of the scale: above every value, and above the bounds of days with a large sample, if any."""
    valued = [point for point in points if point.value is not None]
    reliable = [point for point in valued if not point.is_small] or valued
    highest = max((*(point.value or 0.0 for point in valued), *(point.high for point in reliable)), default=1.0)
    return smallest_scale(highest)


def smallest_scale(highest: float) -> float:
    """Return the end of the smallest scale that holds a share."""
    return next(end for end in SCALES if highest <= end)


def runs(points: Sequence[Point]) -> Iterator[list[int]]:
    """Yield the indexes of consecutive days that have a value, one list for each unbroken run."""
    return runs_of_values([point.value for point in points])


def runs_of_values(values: Sequence[float | None]) -> Iterator[list[int]]:
    """Yield the indexes of consecutive values that are not None, one list for each unbroken run."""
    run: list[int] = []
    for index, value in enumerate(values):
        if value is not None:
            run.append(index)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _draw_scale(top: float, left: float, right: float, y: Callable[[float], float]) -> Iterator[Markup]:
    for quarter in range(5):
        share = top * quarter / 4
        if quarter % 2 == 0:
            yield element("text", f"{share * 100:g} %", x=left - 8, y=y(share) + 4, class_="tick", text_anchor="end")
        yield element("line", x1=left, x2=right, y1=y(share), y2=y(share), class_="base" if quarter == 0 else "grid")


def draw_days(points: Sequence[Point], x: Callable[[int], float], bottom: float, max_labels: int) -> Iterator[Markup]:
    """Draw the names of as many days as there is room for."""
    step = -(-len(points) // max_labels)
    with_years = points[0].day.year != points[-1].day.year
    for index in range(step // 2, len(points), step):
        day = points[index].day
        name = f"{day.day} {day:%b} {day:%y}" if with_years else f"{day.day} {day:%b}"
        yield element("text", name, x=x(index), y=bottom, class_="tick", text_anchor="middle")


def calibration_chart(rows: Sequence[tuple[float, Rate | Mean]], *, label: str, width: float = 340.0) -> Markup:
    """Draw scores against what came of them: a dot and an interval for each band, beside the line of equality.

    Args:
        rows: mean score 0..1 and share, one a band.
        label: what the chart shows, for those who do not see it.
        width: of the drawing, which is about as high, in pixels.
    """
    height = width - LEFT + BELOW

    def x(share: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * share

    def y(share: float) -> float:
        return height - BELOW - (height - BELOW - TOP) * share

    elements = [
        *_draw_scale(1.0, LEFT, width - RIGHT, y),
        *(
            element("text", f"{share * 100:g} %", x=x(share), y=height - 6, class_="tick", text_anchor=anchor)
            for share, anchor in ((0.0, "middle"), (0.5, "middle"), (1.0, "end"))
        ),
        element("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="equal"),
    ]
    for score, figure in rows:
        if figure.value is not None:
            low, high = figure.interval or (figure.value, figure.value)
            elements.append(element("line", x1=x(score), x2=x(score), y1=y(low), y2=y(high), class_="whisker"))
            css = "dot few" if is_small(figure) else "dot"
            elements.append(element("circle", cx=x(score), cy=y(figure.value), r=4, class_=css))
    return element(
        "svg", *elements, viewBox=f"0 0 {width:g} {height:g}", class_="chart square", role="img", aria_label=label
    )


def bar(figure: Rate | Mean, *, top: float = 1.0) -> Markup:
    """Draw a horizontal bar with its interval as a whisker, to stand beside its numbers in a table's row.

    It stretches to its cell. Those who do not see it miss nothing: the row has the numbers.

    Args:
        figure: what to draw; n/a gives an empty bar.
        top: the share at the right end.
    """

    def x(share: float) -> float:
        return 100 * min(share, top) / top

    elements = [element("rect", x=0, y=1, width=100, height=12, class_="track")]
    few = " few" if is_small(figure) else ""
    if figure.value is not None:
        elements.append(element("rect", x=0, y=1, width=x(figure.value), height=12, class_=f"fill{few}"))
    if figure.interval is not None:
        low, high = figure.interval
        elements += [
            element("line", x1=x(low), x2=x(high), y1=7, y2=7, class_=f"whisker{few}"),
            element("line", x1=x(low), x2=x(low), y1=4, y2=10, class_=f"whisker{few}"),
            element("line", x1=x(high), x2=x(high), y1=4, y2=10, class_=f"whisker{few}"),
        ]
    return element(
        "svg",
        *elements,
        viewBox="0 0 100 14",
        class_="bar",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
