"""Charts as SVG, made on the server: no script, and no style but classes, so that a strict CSP holds.

Every function is pure and returns markup. A chart is drawn at the width it is shown at, so that its text keeps
its size: a wide and a narrow drawing, of which the style sheet shows one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from markupsafe import Markup, escape

from backend.acceptance.figures import MIN_SAMPLE, Mean, Rate

# Tops of the scale, as shares: the smallest that holds everything is taken.
TOPS = (0.1, 0.2, 0.5, 1.0)

# Room for the scale at the left, and for the days below. Pixels.
LEFT, RIGHT, TOP, BELOW = 46.0, 10.0, 10.0, 24.0

# A day's label needs this many pixels.
LABEL_WIDTH = 74.0


@dataclass(frozen=True, slots=True)
class Point:
    """One day of a line: a share 0..1 with its bounds, or None for n/a, and what to say about it, if asked."""

    day: date
    value: float | None
    low: float
    high: float
    few: bool
    words: Callable[[], str]


def point(day: date, figure: Rate | Mean, words: Callable[[], str]) -> Point:
    """A figure as a day's point."""
    low, high = figure.interval or (0.0, 0.0)
    return Point(day, figure.value, low, high, figure.n < MIN_SAMPLE, words)


def element(name: str, *children: Markup | str, **attributes: str | float) -> Markup:
    """One SVG element; text and attributes are escaped, and an attribute's ``_`` becomes ``-``."""
    # Not Markup's own format and join, which take four times as long; a page has thousands of elements.
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_written(value))}"' for key, value in attributes.items()
    )
    inside = "".join(map(escape, children))
    return Markup(f"<{name}{written}>{inside}</{name}>")  # noqa: S704 - all that comes from outside is escaped above


def _written(value: str | float) -> str:
    return value if isinstance(value, str) else f"{value:.2f}".rstrip("0").rstrip(".")


def line(
    points: Sequence[Point],
    *,
    label: str,
    width: float,
    height: float = 220.0,
    css: str = "",
    marks: Mapping[date, int] | None = None,
) -> Markup:
    """A line by day with its interval as a band; it breaks where a day has no value.

    Args:
        points: in order, at least one.
        label: what the picture shows, for those who do not see it.
        width, height: of the drawing, in pixels.
        css: another class of the svg element.
        marks: days on which something was released, each with its number in the legend.
    """
    top = scale_top(points)
    room, floor = width - LEFT - RIGHT, height - BELOW

    def x(index: int) -> float:
        return LEFT + room * (index + 0.5) / len(points)

    def y(share: float) -> float:
        return floor - (floor - TOP) * min(share, top) / top

    drawn = [
        *_scale(top, LEFT, width - RIGHT, y),
        *_days(points, x, height - 6, max(1, int(room // LABEL_WIDTH))),
    ]
    for i, one in enumerate(points):
        if marks and one.day in marks:
            drawn.append(element("line", x1=x(i), x2=x(i), y1=TOP, y2=floor, class_="mark"))
            drawn.append(
                element("text", str(marks[one.day]), x=x(i) + 3, y=TOP + 9, class_="tick mark", text_anchor="start")
            )
    for run in runs(points):
        upper = [f"{x(i):.1f},{y(points[i].high):.1f}" for i in run]
        lower = [f"{x(i):.1f},{y(points[i].low):.1f}" for i in reversed(run)]
        middle = [f"{x(i):.1f},{y(points[i].value or 0):.1f}" for i in run]
        if len(run) > 1:
            drawn.append(element("polygon", points=" ".join(upper + lower), class_="band"))
            drawn.append(element("polyline", points=" ".join(middle), class_="line"))
        else:
            (i,) = run
            drawn.append(element("line", x1=x(i), x2=x(i), y1=y(points[i].low), y2=y(points[i].high), class_="whisker"))
    # Dots only where there is room for them; a lone day is always one.
    roomy = room / len(points) >= 12
    lone = {run[0] for run in runs(points) if len(run) == 1}
    for i, one in enumerate(points):
        if one.value is not None and (roomy or i in lone):
            drawn.append(element("circle", cx=x(i), cy=y(one.value), r=3, class_="dot few" if one.few else "dot"))
    # Narrower than this, a pointer can't choose a day.
    step = room / len(points)
    pointed = points if step >= 2 else []
    drawn.extend(
        element(
            "rect",
            element("title", one.words()),
            x=x(i) - step / 2,
            y=TOP,
            width=step,
            height=floor - TOP,
            class_="hover",
        )
        for i, one in enumerate(pointed)
    )
    return element(
        "svg",
        *drawn,
        viewBox=f"0 0 {width:g} {height:g}",
        class_=f"chart {css}".strip(),
        role="img",
        aria_label=label,
    )


def scale_top(points: Sequence[Point]) -> float:
    """The end of the scale: above every value, and above the bounds of days with enough to go by, if any."""
    there = [one for one in points if one.value is not None]
    sure = [one for one in there if not one.few] or there
    highest = max((*(one.value or 0.0 for one in there), *(one.high for one in sure)), default=1.0)
    return smallest_top(highest)


def smallest_top(highest: float) -> float:
    """The smallest scale that holds a share."""
    return next(top for top in TOPS if highest <= top)


def runs(points: Sequence[Point]) -> Iterator[list[int]]:
    """Indexes of neighbouring days that have a value, one list for each unbroken run."""
    run: list[int] = []
    for index, one in enumerate(points):
        if one.value is not None:
            run.append(index)
        elif run:
            yield run
            run = []
    if run:
        yield run


def _scale(top: float, left: float, right: float, y: Callable[[float], float]) -> Iterator[Markup]:
    for quarter in range(5):
        share = top * quarter / 4
        if quarter % 2 == 0:
            yield element("text", f"{share * 100:g} %", x=left - 8, y=y(share) + 4, class_="tick", text_anchor="end")
        yield element("line", x1=left, x2=right, y1=y(share), y2=y(share), class_="base" if quarter == 0 else "grid")


def _days(points: Sequence[Point], x: Callable[[int], float], bottom: float, most: int) -> Iterator[Markup]:
    step = -(-len(points) // most)
    years = points[0].day.year != points[-1].day.year
    for index in range(step // 2, len(points), step):
        day = points[index].day
        name = f"{day.day} {day:%b} {day:%y}" if years else f"{day.day} {day:%b}"
        yield element("text", name, x=x(index), y=bottom, class_="tick", text_anchor="middle")


def calibration(rows: Sequence[tuple[float, Rate | Mean]], *, label: str, width: float = 340.0) -> Markup:
    """Scores against what came of them: one dot a band with its interval, beside the line where both are equal.

    Args:
        rows: mean score 0..1 and share, one a band.
        label: what the picture shows, for those who do not see it.
        width: of the drawing, which is about as high, in pixels.
    """
    height = width - LEFT + BELOW

    def x(share: float) -> float:
        return LEFT + (width - LEFT - RIGHT) * share

    def y(share: float) -> float:
        return height - BELOW - (height - BELOW - TOP) * share

    drawn = [
        *_scale(1.0, LEFT, width - RIGHT, y),
        *(
            element("text", f"{share * 100:g} %", x=x(share), y=height - 6, class_="tick", text_anchor=anchor)
            for share, anchor in ((0.0, "middle"), (0.5, "middle"), (1.0, "end"))
        ),
        element("line", x1=x(0), y1=y(0), x2=x(1), y2=y(1), class_="equal"),
    ]
    for score, figure in rows:
        if figure.value is not None and figure.interval is not None:
            low, high = figure.interval
            drawn.append(element("line", x1=x(score), x2=x(score), y1=y(low), y2=y(high), class_="whisker"))
            css = "dot few" if figure.n < MIN_SAMPLE else "dot"
            drawn.append(element("circle", cx=x(score), cy=y(figure.value), r=4, class_=css))
    return element(
        "svg", *drawn, viewBox=f"0 0 {width:g} {height:g}", class_="chart square", role="img", aria_label=label
    )


def bar(figure: Rate | Mean, *, top: float = 1.0) -> Markup:
    """A horizontal bar with its interval as a whisker, to stand beside its numbers in a table's row.

    It stretches to its cell. Those who do not see it miss nothing: the row has the numbers.

    Args:
        figure: what to draw; n/a gives an empty bar.
        top: the share at the right end.
    """

    def x(share: float) -> float:
        return 100 * min(share, top) / top

    drawn = [element("rect", x=0, y=1, width=100, height=12, class_="track")]
    if figure.value is not None and figure.interval is not None:
        low, high = figure.interval
        few = " few" if figure.n < MIN_SAMPLE else ""
        drawn += [
            element("rect", x=0, y=1, width=x(figure.value), height=12, class_=f"fill{few}"),
            element("line", x1=x(low), x2=x(high), y1=7, y2=7, class_=f"whisker{few}"),
            element("line", x1=x(low), x2=x(low), y1=4, y2=10, class_=f"whisker{few}"),
            element("line", x1=x(high), x2=x(high), y1=4, y2=10, class_=f"whisker{few}"),
        ]
    return element(
        "svg",
        *drawn,
        viewBox="0 0 100 14",
        class_="bar",
        preserveAspectRatio="none",
        aria_hidden="true",
    )
