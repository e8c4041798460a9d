"""The picture of the backtest, made of what ``tagalong-model backtest`` measured: ``python -m tools.backtest``.

Left: models that learned up to a year, asked questions of that year and later. Right: what newer questions give.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from tools.pipeline import FONT, SCHEMES

DOCS = Path(__file__).parent.parent / "docs"
FIGURES = DOCS / "backtest.json"
METRIC = "R@5"
# Apart in lightness as well as in hue; each line is named where it begins, and has marks of its own.
COLOURS = ["#2f81d8", "#d9730d", "#2da44e", "#a475f9"]
# All in pixels.
WIDTH, HEIGHT, TOP, BOTTOM, PANEL, MARGIN = 920, 380, 60, 60, 370, 70


class Panel:
    """One chart: from values to places, with axes."""

    def __init__(self, left: float, x: Sequence[float], y: Sequence[float], colours: Mapping[str, str]) -> None:
        self.left, self.colours = left, colours
        self.x = (min(x), max(x))
        pad = (max(y) - min(y)) * 0.1 or 0.01
        self.y = (min(y) - pad, max(y) + pad)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Return where a value is drawn."""
        along = (x - self.x[0]) / (self.x[1] - self.x[0])
        up = (y - self.y[0]) / (self.y[1] - self.y[0])
        return self.left + along * PANEL, HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def axes(self, title: str, below: str, ticks: Mapping[float, str], step: float, sign: str) -> Iterator[str]:
        """Draw grid, ticks and titles."""
        quiet, edge, text = (self.colours[name] for name in ("quiet", "edge", "text"))
        yield f'<text x="{self.left:g}" y="28" font-size="14" font-weight="600" fill="{text}">{escape(title)}</text>'
        for count in range(math.ceil(self.y[0] / step), math.floor(self.y[1] / step) + 1):
            value = count * step
            _, y = self.place(self.x[0], value)
            yield f'<path d="M{self.left:g} {y:.1f} h{PANEL}" stroke="{edge}" stroke-width="1"/>'
            yield (
                f'<text x="{self.left - 8:g}" y="{y + 4:.1f}" font-size="12" text-anchor="end" fill="{quiet}">'
                f"{value:{sign}.2f}</text>"
            )
        for tick, name in ticks.items():
            x, _ = self.place(tick, self.y[0])
            yield (
                f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" font-size="12" text-anchor="middle" fill="{quiet}">'
                f"{escape(name)}</text>"
            )
        yield (
            f'<text x="{self.left + PANEL / 2:g}" y="{HEIGHT - 16}" font-size="12" text-anchor="middle" '
            f'fill="{quiet}">{escape(below)}</text>'
        )

    def line(self, points: Sequence[tuple[float, Mapping[str, float]]], colour: str) -> Iterator[str]:
        """Draw values with their intervals, joined."""
        places = [self.place(x, interval["value"]) for x, interval in points]
        way = " L".join(f"{x:.1f},{y:.1f}" for x, y in places)
        yield f'<path d="M{way}" stroke="{colour}" stroke-width="2" fill="none"/>'
        for (x, interval), (at, y) in zip(points, places, strict=True):
            (_, low), (_, high) = self.place(x, interval["low"]), self.place(x, interval["high"])
            yield f'<path d="M{at:.1f} {low:.1f} V{high:.1f}" stroke="{colour}" stroke-width="1.5"/>'
            yield f'<circle cx="{at:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'


def draw_backtest(scheme: str, figures: Mapping[str, Any]) -> str:
    """Draw both charts in a colour scheme, ``light`` or ``dark``: an SVG."""
    colours = SCHEMES[scheme]
    description = (
        f"Left: {METRIC} of models that learned questions up to a year, asked questions of that year and later. "
        f"Right: how much {METRIC} rises with newer questions learned beside old ones."
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="{escape(description)}" font-family="{escape(FONT)}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{colours["ground"]}"/>',
            *_draw_ageing(figures["ageing"], colours),
            *_draw_newer_questions(figures["worth"], colours),
            "</svg>\n",
        ]
    )


def _draw_ageing(rows: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> Iterator[str]:
    years = sorted({row["asked"] for row in rows})
    bounds = [row["metrics"][METRIC][end] for row in rows for end in ("low", "high")]
    panel = Panel(MARGIN, years, bounds, colours)
    ticks = {year: str(year) for year in years}
    yield from panel.axes(f"{METRIC} by the year up to which a model learned", "asked questions of", ticks, 0.05, "")
    for trained, colour in zip(sorted({row["trained"] for row in rows}), COLOURS, strict=False):
        points = [(row["asked"], row["metrics"][METRIC]) for row in rows if row["trained"] == trained]
        yield from panel.line(points, colour)
        x, y = panel.place(points[0][0], points[0][1]["high"])
        at_end = trained == years[-1]
        yield (
            f'<text x="{x + (2 if at_end else -2):.1f}" y="{y - 8:.1f}" font-size="12" font-weight="600" '
            f'text-anchor="{"end" if at_end else "start"}" fill="{colours["text"]}" stroke="{colours["ground"]}" '
            f'stroke-width="4" paint-order="stroke">up to {trained}</text>'
        )


def _draw_newer_questions(rows: Sequence[Mapping[str, Any]], colours: Mapping[str, str]) -> Iterator[str]:
    once = [row for row in rows if row["weight"] == 1]
    nothing = {"value": 0.0, "low": 0.0, "high": 0.0}
    points = [(row["added"], row["better"][METRIC] if row["added"] else nothing) for row in once]
    panel = Panel(
        2 * MARGIN + PANEL, [x for x, _ in points], [of[end] for _, of in points for end in ("low", "high")], colours
    )
    ticks = {row["added"]: f"{row['added']:,}" for row in once if row["added"] in (0, 1_000, 2_000, 4_000)}
    ticks[points[-1][0]] = f"{points[-1][0]:,}"
    title = f"What newer questions add to {METRIC}"
    yield from panel.axes(title, f"newer questions beside {once[0]['base']:,} old ones", ticks, 0.01, "+")
    yield from panel.line(points, COLOURS[0])


if __name__ == "__main__":
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    for scheme in SCHEMES:
        (DOCS / f"backtest-{scheme}.svg").write_text(draw_backtest(scheme, figures), encoding="utf-8")
