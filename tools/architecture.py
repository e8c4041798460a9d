"""The picture of the whole: rooms, their parts, and the way of a tag: ``python -m tools.architecture``."""

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from tools.pipeline import FONT, SCHEMES

DOCS = Path(__file__).parent.parent / "docs"
WIDTH, HEIGHT = 920, 500
FORTH, BACK = "#2f81d8", "#2da44e"
"""Colours of the way of a draft to its chips, and of what came of them back to the next model."""


@dataclass(frozen=True)
class Box:
    """A part: where it stands in pixels, its name, and what it does in a few words; ``room`` boxes hold others."""

    x: float
    y: float
    width: float
    height: float
    name: str
    does: tuple[str, ...] = ()
    room: bool = False


@dataclass(frozen=True)
class Arrow:
    """A way between parts, through points in pixels; ``says`` stands at ``at``."""

    points: tuple[tuple[float, float], ...]
    says: tuple[str, ...]
    at: tuple[float, float]
    colour: str


BOXES = (
    Box(16, 16, 240, 468, "extension/", ("in the writer's browser",), room=True),
    Box(322, 16, 330, 468, "backend/", ("FastAPI, as many replicas as you like",), room=True),
    Box(708, 16, 196, 468, "model/", ("commands of an engineer",), room=True),
    Box(
        32,
        76,
        208,
        92,
        "content/pages",
        ("one adapter a page: reads the", "draft, puts a tag in, sees what", "the page took"),
    ),
    Box(32, 204, 208, 92, "content", ("asks when typing pauses,", "shows chips, puts each view", "and click on disk")),
    Box(
        32,
        332,
        208,
        136,
        "background",
        (
            "the only place that fetches,",
            "and with consent only;",
            "outbox: keeps events until",
            "the service has them",
        ),
    ),
    Box(338, 76, 298, 60, "web", ("middleware: host, origin, size, key, rate",)),
    Box(338, 152, 140, 92, "suggestions", ("a route, inference,", "an answer recorded", "with its draft")),
    Box(496, 152, 140, 92, "deployments", ("router: champion,", "share or shadow;", "experiments")),
    Box(338, 260, 140, 76, "feedback", ("events, each once;", "items from events")),
    Box(496, 260, 140, 76, "acceptance", ("rates in SQL,", "daily sums")),
    Box(338, 352, 140, 52, "PostgreSQL", ("no text of drafts",)),
    Box(496, 352, 140, 52, "admin, alerts", ("/metrics, mail",)),
    Box(338, 420, 298, 48, "export-feedback, export", ("numbers and tags of posted questions",)),
    Box(724, 76, 164, 56, "registry", ("versions, each checked",)),
    Box(724, 146, 164, 76, "serving", ("draft in, tags out: all", "the backend imports")),
    Box(724, 236, 164, 60, "training", ("words, names, encoder",)),
    Box(724, 310, 164, 60, "questions", ("cleaned in preparation",)),
    Box(724, 384, 164, 84, "retraining, drift", ("what people posted;", "traffic against the", "training data")),
)

ARROWS = (
    Arrow(((112, 168), (112, 204)), ("draft",), (78, 190), FORTH),
    Arrow(((166, 204), (166, 168)), ("tag taken",), (174, 190), FORTH),
    Arrow(((112, 296), (112, 332)), ("draft, events",), (35, 318), FORTH),
    Arrow(((166, 332), (166, 296)), ("tags",), (174, 318), FORTH),
    Arrow(((240, 352), (300, 352), (300, 106), (338, 106)), ("draft,", "events"), (259, 342), FORTH),
    Arrow(((338, 198), (312, 198), (312, 388), (240, 388)), ("tags,", "scores"), (259, 418), FORTH),
    Arrow(((724, 104), (680, 104), (680, 172), (636, 172)), ("deploy",), (660, 94), FORTH),
    Arrow(((724, 208), (636, 208)), ("tags",), (668, 200), FORTH),
    Arrow(((636, 444), (724, 444)), ("files",), (668, 436), BACK),
    Arrow(((806, 384), (806, 370)), (), (0, 0), BACK),
    Arrow(((806, 310), (806, 296)), (), (0, 0), BACK),
    Arrow(((888, 266), (896, 266), (896, 104), (888, 104)), (), (0, 0), BACK),
    Arrow(((408, 336), (408, 352)), (), (0, 0), BACK),
    Arrow(((478, 366), (487, 366), (487, 298), (496, 298)), (), (0, 0), BACK),
    Arrow(((566, 336), (566, 352)), (), (0, 0), BACK),
    Arrow(((408, 404), (408, 420)), (), (0, 0), BACK),
    Arrow(((496, 198), (478, 198)), (), (0, 0), FORTH),
)

SAID = (
    "The extension sends a draft, with consent, through the middleware to suggestions, which answer with the "
    "version deployed for the install; chips come back. Views, clicks and posted tags go through feedback into "
    "PostgreSQL, from there into the rates, the admin's page and alerts. Numbers and tags of posted questions are "
    "exported; the model's commands fetch texts by number, train, check and register a version, and that is deployed."
)


def draw_architecture(scheme: str) -> str:
    """Draw it in a colour scheme, ``light`` or ``dark``: an SVG."""
    colours = SCHEMES[scheme]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="{escape(SAID)}" font-family="{escape(FONT)}">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="{colours["ground"]}"/>',
            *(shape for box in BOXES for shape in _draw_box(box, colours)),
            *(shape for arrow in ARROWS for shape in _draw_arrow(arrow, colours)),
            "</svg>\n",
        ]
    )


def _draw_box(box: Box, colours: dict[str, str]) -> Iterator[str]:
    fill, size = (colours["box"], 15) if box.room else (colours["ground"], 13)
    yield (
        f'<rect x="{box.x:g}" y="{box.y:g}" width="{box.width:g}" height="{box.height:g}" rx="8" fill="{fill}" '
        f'stroke="{colours["edge"]}"/>'
    )
    yield _draw_text(box.name, box.x + 14, box.y + 23, size, colours["text"], ' font-weight="600"')
    for i, line in enumerate(box.does):
        yield _draw_text(line, box.x + 14, box.y + 41 + 16 * i, 12, colours["quiet"])


def _draw_arrow(arrow: Arrow, colours: dict[str, str]) -> Iterator[str]:
    points = " ".join(f"{x:g},{y:g}" for x, y in arrow.points)
    yield (
        f'<polyline points="{points}" fill="none" stroke="{arrow.colour}" stroke-width="2.5" stroke-linejoin="round"/>'
    )
    (x1, y1), (x, y) = arrow.points[-2:]
    dx, dy = (x > x1) - (x < x1), (y > y1) - (y < y1)
    ends = [(x - 8 * dx - 5 * way * dy, y - 8 * dy - 5 * way * dx) for way in (1, -1)]
    tip = " ".join(f"L{end_x:g} {end_y:g}" for end_x, end_y in ends)
    yield f'<path d="M{x:g} {y:g} {tip} z" fill="{arrow.colour}"/>'
    for i, line in enumerate(arrow.says):
        yield _draw_text(line, arrow.at[0], arrow.at[1] - 14 * (len(arrow.says) - 1 - i), 11, colours["text"])


def _draw_text(text: str, x: float, y: float, size: int, fill: str, more: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" font-size="{size}" fill="{fill}"{more}>{escape(text)}</text>'


if __name__ == "__main__":
    for scheme in SCHEMES:
        (DOCS / f"architecture-{scheme}.svg").write_text(draw_architecture(scheme), encoding="utf-8")
