"""A comparison for people: one table in Markdown, and a chart of quality against latency and size."""

import math
from collections.abc import Sequence
from html import escape
from typing import Any, Final

COLUMNS: Final = {
    "P@1": "P@1",
    "P@3": "P@3",
    "P@5": "P@5",
    "R@5": "R@5",
    "R@5 of all": "R@5 of all",
    "F1@5": "F1@5",
    "Jaccard": "Jaccard",
    "F1 samples": "F1",
    "exact match": "exact",
    "hit@5": "one found",
    "all@5": "all found",
    "coverage": "coverage",
}
"""The metrics of ``model.evaluation.metrics`` that the table has, and their columns' heads."""

_NOTES: Final = """P@k: right among the best k / k. R@5: found among the best five / min(5, posted); *of all*: / posted.
F1@5: of the best five. Jaccard, F1, exact, coverage: of the tags shown, by the same rule for all: those from a
threshold on that was fitted on tune, and never none. One found, all found: questions with one, with all of their tags
among the best five. Means over questions; a posted tag outside the vocabulary (column *tags*) is a miss. Training is
what it took of all cores, encoding the training questions included. Latency: one draft of a title and {body_chars:,}
characters, on one thread, p50, from text to scores, as it would be served (column *runtime*)."""

WIDTH: Final = 860
HEIGHT: Final = 520
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 30, 30, 60
_COLOURS: Final = {"TF-IDF": "#1b6ac9", "Word2Vec": "#b8860b", "MiniLM": "#2e8b57", "": "#b03a48"}


def result_name(result: dict[str, Any]) -> str:
    """Return a result's name: encoder and classifier."""
    return " + ".join(part for part in (result["encoder"], result["classifier"]) if part)


def format_markdown(results: Sequence[dict[str, Any]], about: dict[str, Any]) -> str:
    """Write the table with what must stand beside it.

    Args:
        about: ``{tune, left_out, machine}``: how many questions of tune there were, what was left out of dev in words,
            the machine in words.
    """
    head = ["encoder + classifier", "tags", "learned from", *COLUMNS.values(), "training, CPU s", "MB", "ms", "runtime"]
    lines = [
        f"Split {results[0]['split']}, n = {results[0]['n']:,} questions with complete tags; what is shown is "
        f"decided by a rule fitted on {about['tune']:,} of tune. {about['machine']}.",
        about.get("left_out", ""),
        "",
        "| " + " | ".join(head) + " |",
        "| --- |" + " ---: |" * (len(head) - 2) + " --- |",
    ]
    for result in results:
        metrics = [f"{result['metrics'][metric]['value']:.3f}".removeprefix("0") for metric in COLUMNS]
        seconds = result["training_cpu_s"]
        cells = [
            result_name(result),
            f"{result['tags']:,}",
            "" if result["trained_on"] is None else f"{result['trained_on']:,}",
            *metrics,
            "" if seconds is None else f"{seconds:,.0f}",
            f"{result['megabytes']:,.1f}",
            f"{result['latency_ms']['p50']:.2f}",
            result["runtime"],
        ]
        lines.append("| " + " | ".join(cells) + " |")
    width = max(result["metrics"]["R@5"]["high"] - result["metrics"]["R@5"]["value"] for result in results)
    body_chars = results[0]["latency_ms"]["body_chars"]
    lines += [
        "",
        _NOTES.format(body_chars=body_chars),
        "",
        f"95 % intervals of R@5 reach at most {width:.3f} to either side.",
    ]
    exported = [metric["parity"] for metric in results if "parity" in metric and metric["runtime"] == "ONNX Runtime"]
    if exported:
        worst = max(parity["largest_difference"] for parity in exported)
        lines.append(
            f"Scores of exported graphs differ from scikit-learn's by {worst:.0e} at most, on {exported[0]['n']} "
            "drafts each."
        )
    return "\n".join(lines) + "\n"


def draw_chart(results: Sequence[dict[str, Any]]) -> str:
    """Draw R@5 against latency as SVG: a disc a result, its area the size on disk, hollow for the common tags only."""
    latencies = [max(result["latency_ms"]["p50"], 0.01) for result in results]
    qualities = [result["metrics"]["R@5"]["value"] for result in results]
    low, high = math.floor(math.log10(min(latencies))), math.ceil(math.log10(max(latencies)))
    high = max(high, low + 1)
    bottom, top = math.floor(min(qualities) * 10) / 10, math.ceil(max(qualities) * 10) / 10
    top = max(top, bottom + 0.1)

    def x(ms: float) -> float:
        return _LEFT + (math.log10(max(ms, 0.01)) - low) / (high - low) * (WIDTH - _LEFT - _RIGHT)

    def y(quality: float) -> float:
        return float(HEIGHT - _BOTTOM - (quality - bottom) / (top - bottom) * (HEIGHT - _TOP - _BOTTOM))

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        "<title>R@5 against latency; the area of a disc is the size on disk</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
    ]
    for power in range(low, high + 1):
        at = x(10**power)
        drawn.append(f'<line x1="{at:.1f}" y1="{_TOP}" x2="{at:.1f}" y2="{HEIGHT - _BOTTOM}" stroke="#ddd"/>')
        drawn.append(f'<text x="{at:.1f}" y="{HEIGHT - _BOTTOM + 18}" text-anchor="middle">{10.0**power:g}</text>')
    for i in range(round((top - bottom) * 10) + 1):
        value = bottom + i / 10
        drawn.append(
            f'<line x1="{_LEFT}" y1="{y(value):.1f}" x2="{WIDTH - _RIGHT}" y2="{y(value):.1f}" stroke="#ddd"/>'
        )
        drawn.append(f'<text x="{_LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:.1f}</text>')
    drawn.append(
        f'<text x="{(_LEFT + WIDTH - _RIGHT) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">'
        "latency of one draft, ms, one thread (p50); area: size on disk; hollow: common tags only</text>"
    )
    drawn.append(
        f'<text x="16" y="{HEIGHT / 2:.0f}" transform="rotate(-90 16 {HEIGHT / 2:.0f})" text-anchor="middle">R@5</text>'
    )
    labels: list[tuple[float, float]] = []
    for result in sorted(results, key=lambda metric: -metric["metrics"]["R@5"]["value"]):
        quality, ms = result["metrics"]["R@5"]["value"], result["latency_ms"]["p50"]
        radius = max(3.0, 1.6 * math.sqrt(result["megabytes"]))
        colour = _COLOURS.get(result["encoder"], _COLOURS[""])
        fill = colour if result["whole"] else "none"
        drawn.append(
            f'<circle cx="{x(ms):.1f}" cy="{y(quality):.1f}" r="{radius:.1f}" fill="{fill}" fill-opacity=".35" '
            f'stroke="{colour}" stroke-width="1.5"/>'
        )
        label = escape(f"{result_name(result)}, {result['tags']:,} tags")
        left = x(ms) > WIDTH * 0.6
        anchor = "end" if left else "start"
        at, line = x(ms) + (-radius - 4 if left else radius + 4), y(quality) + 4
        # Labels that would lie on each other move down.
        while any(abs(line - other) < 13 and abs(at - where) < 260 for where, other in labels):
            line += 13
        labels.append((at, line))
        drawn.append(f'<text x="{at:.1f}" y="{line:.1f}" text-anchor="{anchor}" fill="{colour}">{label}</text>')
    return "\n".join([*drawn, "</svg>"]) + "\n"
