"""A model's metrics on all questions and on parts of them, as JSON holds them and as a terminal shows them."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final

from model.evaluation.answers import Answer
from model.evaluation.metrics import MEANING, PART_METRICS, compute_metrics, reliability, use_names_in_use
from model.questions import RANKS, Question
from model.serving.synonyms import name_in_use

MIN_PART_QUESTIONS: Final = 50
"""Questions below which a source or a year is not shown by itself."""
LENGTHS: Final = ((1, "title only"), (500, "body under 500"), (1_500, "body under 1,500"))
"""Characters of a body below which a draft is in a part, by length."""
LONGEST: Final = "longer body"
BANDS: Final = ((1, "never"), (30, "under 30"), (100, "under 100"), (1_000, "under 1,000"), (5_000, "under 5,000"))
"""Uses of a tag in the training data below which it is in a band."""
COMMONEST: Final = "5,000 or more"


def measure_by_frequency(
    posted: Sequence[Collection[str]], answers: Sequence[Answer], uses: Mapping[str, int]
) -> dict[str, dict[str, float]]:
    """Measure tags by their uses in the training data: {band: {posted, found, shown, right}}.

    ``found``: share of the posted tags that are among the best five; ``right``: share of the shown that were posted.
    """

    used: Counter[str] = Counter()
    for tag, n in uses.items():
        used[name_in_use(tag)] += n

    def band(tag: str) -> str:
        return next((name for most, name in BANDS if used[tag] < most), COMMONEST)

    counted: Counter[tuple[str, str]] = Counter()
    for tags, answer in zip(*use_names_in_use(posted, answers), strict=True):
        counted.update((band(tag), "posted") for tag in set(tags))
        counted.update((band(tag), "found") for tag in set(tags) & set(answer.tags[:RANKS]))
        shown = answer.tags[: answer.confident]
        counted.update((band(tag), "shown") for tag in shown)
        counted.update((band(tag), "right") for tag in shown if tag in tags)
    return {
        name: {
            "posted": counted[name, "posted"],
            "found": counted[name, "found"] / max(counted[name, "posted"], 1),
            "shown": counted[name, "shown"],
            "right": counted[name, "right"] / max(counted[name, "shown"], 1),
        }
        for name in (*(name for _, name in BANDS), COMMONEST)
        if counted[name, "posted"] or counted[name, "shown"]
    }


def build_report(
    questions: Sequence[Question], answers: Sequence[Answer], uses: Mapping[str, int], seed: int = 1
) -> dict[str, Any]:
    """Measure a model on all questions, and by kind and length of draft, year, source and frequency of tags.

    Args:
        uses: of each tag in the training data; empty where that is not at hand, and then nothing is told by it.

    Returns:
        ``{n, metrics, parts: {kind|length|year|source: {part: {n, metrics}}}, frequency: {band: …}, reliability}``.
        Parts of fewer than ``MIN_PART_QUESTIONS`` questions are left out.

    Raises:
        ValueError: there is no question with complete tags.
    """
    complete = [i for i, question in enumerate(questions) if question.tags_complete]

    def measured(rows: Sequence[int]) -> dict[str, dict[str, float]]:
        return compute_metrics([questions[i].tags for i in rows], [answers[i] for i in rows], seed)

    ways: dict[str, Callable[[Question], str]] = {
        "kind": lambda question: "with a body" if question.body.strip() else "title only",
        "length": lambda question: next((name for most, name in LENGTHS if len(question.body) < most), LONGEST),
        "year": lambda question: str(question.year) if question.year else "unknown",
        "source": lambda question: question.source,
    }
    order = {part: i for i, part in enumerate([name for _, name in LENGTHS] + [LONGEST])}
    parts: dict[str, dict[str, Any]] = {}
    for division, part_of in ways.items():
        rows_of: dict[str, list[int]] = {}
        for i in complete:
            rows_of.setdefault(part_of(questions[i]), []).append(i)
        parts[division] = {
            part: {"n": len(rows), "metrics": measured(rows)}
            for part, rows in sorted(rows_of.items(), key=lambda of: (order.get(of[0], 0), of[0]))
            if len(rows) >= MIN_PART_QUESTIONS
        }
    posted, answered = [questions[i].tags for i in complete], [answers[i] for i in complete]
    return {
        "n": len(complete),
        "metrics": measured(complete),
        "parts": parts,
        "frequency": measure_by_frequency(posted, answered, uses) if uses else {},
        "reliability": reliability(posted, answered),
    }


def format_report(result: dict[str, Any]) -> str:
    """Lay out what ``evaluate`` measured for a terminal: models and baselines side by side, then the models' parts."""
    models, baselines = result["models"], result["baselines"]
    lines = [f"split {result['split']}, n = {result['n']:,} questions with complete tags"]
    if left_out := result.get("left_out"):
        lines.append(f"left out, seen in training: {left_out['questions']:,} of {left_out['of']:,}")
    lines += [f"{name}: {of['vocabulary']:,} tags, {of['megabytes']:.1f} MB" for name, of in models.items()]
    width = max([24, *map(len, models)]) + 2
    lines += ["", f"{'metric':<14}" + "".join(f"{name:>{width}}" for name in (*models, *baselines)) + "  meaning"]
    for name, meaning in MEANING.items():
        cells = [of["metrics"][name] for of in models.values()] + [of[name] for of in baselines.values()]
        lines.append(f"{name:<14}" + "".join(f"{_format_interval(cell):>{width}}" for cell in cells) + f"  {meaning}")
    for name, of in result["differences"].items():
        text = ", ".join(
            f"{metric} {c['value']:+.3f} ({c['low']:+.3f} to {c['high']:+.3f})" for metric, c in of.items()
        )
        lines += ["", f"{name}: {text}"]
    for name, of in models.items():
        lines += ["", f"--- {name}", *_format_parts(of)]
    return "\n".join(lines)


def _format_interval(cell: dict[str, float]) -> str:
    return f"{cell['value']:.3f} {cell['low']:.3f} to {cell['high']:.3f}"


def _format_parts(of: dict[str, Any]) -> list[str]:
    """Lay out one model's numbers part by part."""
    lines: list[str] = []
    for division, parts in of["parts"].items():
        width = max([24, *map(len, parts)])
        lines += [f"{'by ' + division:<{width}}{'n':>7}" + "".join(f"{name:>25}" for name in PART_METRICS)]
        for part, measured in parts.items():
            cells = (measured["metrics"][name] for name in PART_METRICS)
            lines.append(f"{part:<{width}}{measured['n']:>7,}" + "".join(f"{_format_interval(c):>25}" for c in cells))
        lines.append("")
    lines.append(f"{'tags by uses':<24}{'posted':>9}{'in best 5':>11}{'shown':>9}{'right':>8}")
    for band, counted in of["frequency"].items():
        lines.append(
            f"{band:<24}{counted['posted']:>9,}{counted['found']:>11.3f}{counted['shown']:>9,}{counted['right']:>8.3f}"
        )
    lines += ["", "one suggestion on one thread, title with a body of"]
    for latency in of["latency_ms"]:
        lines.append(
            f"{latency['body_chars']:>8,} characters, n = {latency['n']:,}: "
            f"p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms"
        )
    return lines
