"""The picture of the pipeline, made of its steps and of what their commands take: ``python -m tools.pipeline``.

Each file has a lane, from the step that writes it down to the last that reads it; each step has a row.
"""

import itertools
import textwrap
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

import click

from model.cli import main
from model.runs.steps import STEPS, Step

DOCS = Path(__file__).parent.parent / "docs"
SCHEMES = {
    "light": {"ground": "#ffffff", "box": "#f4f6f8", "edge": "#c8ced6", "text": "#1b1f24", "quiet": "#59636e"},
    "dark": {"ground": "#0d1117", "box": "#161b22", "edge": "#3d444d", "text": "#e6edf3", "quiet": "#9198a1"},
}
# Apart in lightness as well as in hue, and named where they meet a step: no colour alone says anything.
LANE_COLOURS = [
    "#8b949e",
    "#2f81d8",
    "#d9730d",
    "#2da44e",
    "#a475f9",
    "#bf8700",
    "#e0569b",
    "#1b9aaa",
    "#b35900",
    "#6e7781",
    "#c0392b",
]
# All in pixels. CHAR is the width of a character of the parameters' font.
WIDTH, MARGIN, LANE, NAMES, LINE, GAP, CHAR = 920, 20, 26, 170, 19, 16, 6.7
FONT = "ui-sans-serif, system-ui, 'Segoe UI', Helvetica, Arial, sans-serif"
MONO = "ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace"


def draw_steps(scheme: str) -> str:
    """Draw the steps in a colour scheme, ``light`` or ``dark``: an SVG."""
    colours = SCHEMES[scheme]
    steps = list(STEPS.values())
    files = list(dict.fromkeys(name for step in steps for name in (*step.inputs, *step.outputs)))
    lane_x = {name: MARGIN + LANE * i + 8 for i, name in enumerate(files)}
    colour_of = dict(zip(files, itertools.cycle(LANE_COLOURS), strict=False))
    box_x = MARGIN + LANE * len(files) + NAMES
    shapes: list[str] = []
    ends: dict[str, list[float]] = {}
    top = float(MARGIN)
    for step in steps:
        lines = [
            line
            for options in list_parameters(step)
            for line in wrap_options(options, (WIDTH - MARGIN - box_x - 28) / CHAR)
        ]
        names = [(name, True) for name in step.inputs] + [(name, False) for name in step.outputs]
        height: float = 12 + LINE * max(len(lines) + 1, len(names)) + 8
        for i, (name, is_input) in enumerate(names):
            y = top + 16 + LINE * i
            ends.setdefault(name, []).append(y)
            shapes += _draw_link(name, is_input, lane_x[name], box_x, y, colour_of[name], colours["text"])
        shapes += _draw_step(step, lines, box_x, top, height, colours)
        top += height + GAP
    lanes = [
        f'<line x1="{lane_x[name]}" y1="{min(ys):g}" x2="{lane_x[name]}" y2="{max(ys):g}" '
        f'stroke="{colour_of[name]}" stroke-width="3" stroke-linecap="round"/>'
        for name, ys in ends.items()
    ]
    height = top - GAP + MARGIN
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:g}" width="{WIDTH}" '
            f'height="{height:g}" role="img" aria-label="{escape(describe_steps())}" font-family="{escape(FONT)}">',
            f'<rect width="{WIDTH}" height="{height:g}" rx="8" fill="{colours["ground"]}"/>',
            *lanes,
            *shapes,
            "</svg>\n",
        ]
    )


def describe_steps() -> str:
    """Return the picture in words."""
    return "; ".join(f"{step.name}: {', '.join(step.inputs)} to {', '.join(step.outputs)}" for step in STEPS.values())


def list_parameters(step: Step) -> Iterator[str]:
    """Return a step's options, but for its files; of a step with several commands, a line for each."""
    command = main.commands[step.name]
    if not isinstance(command, click.Group):
        yield " ".join(_list_options(command))
        return
    for name, options in command.commands.items():
        yield " ".join([name, *_list_options(options)])


def _list_options(command: click.Command) -> Iterator[str]:
    for option in command.params:
        if isinstance(option, click.Option) and option.name != "force" and not isinstance(option.type, click.Path):
            plain = option.show_default is True and isinstance(option.default, str | int | float)
            yield option.opts[0] + (f" {option.default}" if plain and len(str(option.default)) < 20 else "")


def wrap_options(text: str, chars: float) -> list[str]:
    """Break a line of options before an option."""
    glued = text.replace(" --", "\0--").replace(" ", "\xa0").replace("\0", " ")
    return [
        line.replace("\xa0", " ")
        for line in textwrap.wrap(glued, int(chars), subsequent_indent="\xa0\xa0", break_on_hyphens=False)
    ]


def _draw_link(name: str, is_input: bool, lane: float, box: float, y: float, colour: str, text: str) -> list[str]:
    """Draw a file's line between its lane and a step, with an arrow to where the file goes."""
    start, end = (lane, box - 6) if is_input else (box, lane + 6)
    way = 1 if is_input else -1
    dot = f'<circle cx="{lane}" cy="{y:g}" r="4.5" fill="{colour}"/>' if is_input else ""
    tip = f"M{end + 6 * way:g} {y:g} l{-8 * way} -4.5 v9 z"
    return [
        f'<line x1="{start:g}" y1="{y:g}" x2="{end:g}" y2="{y:g}" stroke="{colour}" stroke-width="2"/>',
        f'<path d="{tip}" fill="{colour}"/>',
        dot,
        f'<text x="{box - 14:g}" y="{y - 5:g}" font-family="{escape(MONO)}" font-size="11" text-anchor="end" '
        f'fill="{text}">{escape(name)}</text>',
    ]


def _draw_step(
    step: Step, lines: Sequence[str], x: float, y: float, height: float, colours: dict[str, str]
) -> Iterator[str]:
    yield (
        f'<rect x="{x:g}" y="{y:g}" width="{WIDTH - MARGIN - x:g}" height="{height:g}" rx="6" '
        f'fill="{colours["box"]}" stroke="{colours["edge"]}"/>'
    )
    yield (
        f'<text x="{x + 12:g}" y="{y + 20:g}" font-size="14" fill="{colours["text"]}"><tspan font-weight="600">'
        f'{step.name}</tspan><tspan dx="8" fill="{colours["quiet"]}" font-size="13">'
        f"{escape(step.summary)}</tspan></text>"
    )
    for i, line in enumerate(lines):
        yield (
            f'<text x="{x + 12:g}" y="{y + 20 + LINE * (i + 1):g}" font-size="11" font-family="{escape(MONO)}" '
            f'xml:space="preserve" fill="{colours["quiet"]}">{escape(line)}</text>'
        )


if __name__ == "__main__":
    for scheme in SCHEMES:
        (DOCS / f"pipeline-{scheme}.svg").write_text(draw_steps(scheme), encoding="utf-8")
