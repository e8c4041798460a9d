"""The report's picture: requests a second and p99, of a bare insert, of Tagalong and of the peer."""

from collections.abc import Callable, Iterable
from html import escape
from math import floor, log10

from bench.load import Load
from bench.measure import CLIENTS, FULL, LIGHT, Report

SCHEMES = {
    "light": {"ground": "#ffffff", "text": "#1b1f24", "quiet": "#59636e", "rule": "#d5dae0"},
    "dark": {"ground": "#0d1117", "text": "#e6edf3", "quiet": "#9198a1", "rule": "#3d444d"},
}
# Each bar has its name beside it: no colour alone says anything.
OURS, FLOOR, PEER = "#2f81d8", "#8b949e", "#d9730d"
# All in pixels.
WIDTH, MARGIN, NAMES, BAR, STEP, HEAD, GAP = 920, 20, 240, 14, 20, 54, 16
NUMBER = 70
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"


def draw_report(report: Report, scheme: str) -> str:
    """Draw the report in a colour scheme, ``light`` or ``dark``: an SVG."""
    colours = SCHEMES[scheme]
    series = [
        ("bare route, one insert", FLOOR, report.insert),
        ("Tagalong light, recorded", OURS, report.recorded[LIGHT]),
        ("Tagalong full, recorded", OURS, report.recorded[FULL]),
        ("peer", PEER, report.peer),
        ("peer, one matrix", PEER, report.fast_peer),
    ]
    panels: list[tuple[str, Callable[[Load], float], Callable[[float], str]]] = [
        ("requests a second", lambda load: load.rate, lambda rate: f"{rate:,.0f}" if rate >= 10 else f"{rate:.1f}"),
        (
            "p99, ms (logarithmic)",
            lambda load: load.p99 * 1000,
            lambda p99: f"{p99:,.0f}" if p99 >= 10 else f"{p99:.1f}",
        ),
    ]
    group = STEP * len(series) + GAP
    height = HEAD + group * len(CLIENTS) + MARGIN
    width = (WIDTH - 2 * MARGIN - NAMES) / 2
    shapes: list[str] = []
    for place, clients in enumerate(CLIENTS):
        top = HEAD + place * group
        shapes.append(
            _text(MARGIN, top + 11, f"{clients} client{'s' if clients > 1 else ''}", colours["text"], bold=True)
        )
        for row, (name, _, _) in enumerate(series):
            shapes.append(_text(MARGIN + NAMES - 10, top + row * STEP + 11, name, colours["quiet"], anchor="end"))
    for panel, (title, figure, shown) in enumerate(panels):
        left = MARGIN + NAMES + panel * width
        values = {(n, name): figure(loads[n]) for name, _, loads in series for n in CLIENTS}
        length = _logarithmic(values.values()) if panel else _linear(values.values())
        shapes.append(_text(left, 30, title, colours["text"], bold=True))
        shapes.append(
            f'<line x1="{left:g}" y1="{HEAD - 6}" x2="{left:g}" y2="{height - MARGIN}" stroke="{colours["rule"]}"/>'
        )
        for place, clients in enumerate(CLIENTS):
            for row, (name, colour, _) in enumerate(series):
                y = HEAD + place * group + row * STEP
                value = values[clients, name]
                long = max(1.0, length(value) * (width - NUMBER))
                shapes.append(f'<rect x="{left:g}" y="{y}" width="{long:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
                shapes.append(_text(left + long + 6, y + 11, shown(value), colours["text"]))
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
            f'role="img" aria-label="Requests a second and p99, by number of clients" font-family="{escape(FONT)}">',
            f'<rect width="{WIDTH}" height="{height}" rx="8" fill="{colours["ground"]}"/>',
            *shapes,
            "</svg>\n",
        ]
    )


def _linear(values: Iterable[float]) -> Callable[[float], float]:
    most = max(values)
    return lambda value: value / most


def _logarithmic(values: Iterable[float]) -> Callable[[float], float]:
    """Bars begin at the power of ten below the least value."""
    all_values = list(values)
    least = floor(log10(min(all_values)))
    most = log10(max(all_values)) - least
    return lambda value: (log10(value) - least) / most


def _text(x: float, y: float, text: str, colour: str, *, anchor: str = "start", bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:g}" y="{y:g}" font-size="12" text-anchor="{anchor}"{weight} fill="{colour}">{escape(text)}</text>'
    )
