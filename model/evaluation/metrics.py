"""How good the suggestions are on questions with known tags: the field's metrics, with intervals, part by part.

Only questions with complete tags count. A posted tag outside the vocabulary is a miss. All names of one tag are judged
as one, by the name in use: who posted ``osx`` and is offered ``macos`` was understood. Intervals are 95 %,
percentile bootstrap over questions (Efron and Tibshirani 1993), seeded.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from model.questions import RANKS, Question
from model.serving.classifier import Classifier
from model.serving.synonyms import main_names, name_in_use

RESAMPLES: Final = 1_000
BINS: Final = 15
LEAST_OF_A_PART: Final = 50
"""Questions below which a source or a year is not shown by itself."""
LENGTHS: Final = ((1, "title only"), (500, "body under 500"), (1_500, "body under 1,500"))
"""Characters of a body below which a draft is in a part, by length."""
LONGEST: Final = "longer body"
BANDS: Final = ((1, "never"), (30, "under 30"), (100, "under 100"), (1_000, "under 1,000"), (5_000, "under 5,000"))
"""Uses of a tag in the training data below which it is in a band."""
COMMONEST: Final = "5,000 or more"

Values = NDArray[np.float64]

MEANING: Final = {
    "P@1": "right among the best one",
    "P@3": "right among the best three / 3",
    "P@5": "right among the best five / 5",
    "R@5": "found among the best five / min(5, posted)",
    "R@5 of all": "found among the best five / posted",
    "F1@5": "F1 of the best five, mean over questions",
    "hit@1": "questions with a posted tag among the best one",
    "hit@3": "questions with a posted tag among the best three",
    "hit@5": "questions with a posted tag among the best five",
    "all@5": "questions with all their tags among the best five",
    "Jaccard": "shown against posted, mean over questions",
    "F1 samples": "shown against posted, mean over questions",
    "F1 micro": "shown against posted, all questions' tags in one",
    "F1 macro": "shown against posted, mean over the tags posted or shown",
    "Jaccard micro": "shown against posted, all questions' tags in one",
    "Jaccard macro": "shown against posted, mean over the tags posted or shown",
    "precision": "right / shown, all questions' tags in one",
    "recall": "right / posted, all questions' tags in one",
    "exact match": "questions whose shown tags are exactly the posted ones",
    "coverage": "questions with a shown tag",
    "ECE": "calibration: mean distance between score and share of right, best five",
}
"""Every metric and what it is. *Shown* are the confident tags."""

PART_METRICS: Final = ("P@1", "R@5", "hit@5", "Jaccard", "ECE")
"""The metrics that are shown for each part of the questions."""
COMPARED: Final = ("P@1", "R@5", "hit@5", "Jaccard")
"""The metrics by which two models are compared on the same questions."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model gives for one question: its best ``RANKS`` tags with scores, and how many are confident."""

    tags: tuple[str, ...]
    scores: tuple[float, ...]
    confident: int


def answers(
    classifier: Classifier, questions: Sequence[Question], after_each: Callable[[], None] = lambda: None
) -> list[Answer]:
    """Ask the classifier for every question, as a service would: one at a time, through the released graph."""
    given = []
    for question in questions:
        items = classifier.suggest(question.title, question.body, body_format="text", limit=RANKS)
        given.append(
            Answer(
                tuple(item.tag for item in items),
                tuple(item.score for item in items),
                sum(item.confident for item in items),
            )
        )
        after_each()
    return given


def commonest(questions: Sequence[Question], share_of: Counter[str]) -> list[Answer]:
    """Return the baseline: the commonest tags of the training data for every question, all of them shown."""
    total = max(sum(share_of.values()), 1)
    best = share_of.most_common(RANKS)
    answer = Answer(tuple(tag for tag, _ in best), tuple(n / total for _, n in best), len(best))
    return [answer] * len(questions)


def uses_of(questions: Sequence[Question]) -> Counter[str]:
    """Count the uses of every tag."""
    return Counter(tag for question in questions for tag in question.tags)


def baseline(trained_on: Sequence[Question], asked: Sequence[Question]) -> list[Answer]:
    """Return the most-frequent-tags baseline, from the training questions with complete tags."""
    return commonest(asked, uses_of([question for question in trained_on if question.tags_complete]))


def metrics(posted: Sequence[Collection[str]], given: Sequence[Answer], seed: int = 1) -> dict[str, dict[str, float]]:
    """Measure answers against the posted tags: {metric: {value, low, high}}, names as in ``MEANING``.

    Raises:
        ValueError: there is no question.
    """
    if not posted:
        raise ValueError("there is no question with complete tags to measure on")
    weights = _resampled(len(posted), seed)
    posted, given = _by_names_in_use(posted, given)
    columns = _by_question(posted, given)
    values = weights @ np.column_stack(list(columns.values())) / len(posted)
    result = {name: _interval(values[:, i]) for i, name in enumerate(columns)}
    result |= _by_tag(posted, given, weights)
    result["ECE"] = _calibration_error(given, posted, weights)
    return {name: result[name] for name in MEANING}


def differences(
    posted: Sequence[Collection[str]], first: Sequence[Answer], second: Sequence[Answer], seed: int = 1
) -> dict[str, dict[str, float]]:
    """Return by how much the first answers are better than the second on the same questions, as ``metrics`` does.

    The interval is of the difference itself, question by question: two models err on the same questions, so their own
    intervals may overlap where the difference is sure.
    """
    weights = _resampled(len(posted), seed)
    one, other = (_by_question(*_by_names_in_use(posted, given)) for given in (first, second))
    return {name: _interval(weights @ (one[name] - other[name]) / len(posted)) for name in COMPARED}


def _by_names_in_use(
    posted: Sequence[Collection[str]], given: Sequence[Answer]
) -> tuple[list[Collection[str]], list[Answer]]:
    """Return posted tags and answers with every tag under its name in use."""
    answers_in_use = [replace(answer, tags=tuple(map(name_in_use, answer.tags))) for answer in given]
    return [main_names(tags) for tags in posted], answers_in_use


def _hits(posted: Sequence[Collection[str]], given: Sequence[Answer]) -> NDArray[np.bool_]:
    """Return which of the best tags are right, [questions, RANKS]; a second name of one tag is not right once more."""
    hits = np.zeros((len(posted), RANKS), bool)
    for i, (tags, answer) in enumerate(zip(posted, given, strict=True)):
        best = answer.tags[:RANKS]
        for rank, tag in enumerate(best):
            hits[i, rank] = tag in tags and tag not in best[:rank]
    return hits


def _by_question(posted: Sequence[Collection[str]], given: Sequence[Answer]) -> dict[str, Values]:
    """Return the metrics that are means over questions, of each question."""
    hits = _hits(posted, given)
    own = np.array([len(set(tags)) for tags in posted])
    shown = np.array([answer.confident for answer in given])
    right = np.array([row[:n].sum() for row, n in zip(hits, shown, strict=True)])
    columns: dict[str, Values] = {}
    for k in (1, 3, 5):
        columns[f"P@{k}"] = hits[:, :k].sum(axis=1) / k
    found = hits.sum(axis=1)
    columns["R@5"] = found / np.minimum(RANKS, own)
    columns["R@5 of all"] = found / own
    columns["F1@5"] = 2 * found / (RANKS + own)
    for k in (1, 3, 5):
        columns[f"hit@{k}"] = hits[:, :k].any(axis=1).astype(float)
    columns["all@5"] = (found == own).astype(float)
    columns["Jaccard"] = right / (shown + own - right)
    columns["F1 samples"] = 2 * right / (shown + own)
    columns["exact match"] = ((right == own) & (right == shown)).astype(float)
    columns["coverage"] = (shown > 0).astype(float)
    return columns


def _resampled(n: int, seed: int) -> Values:
    """Return how often each question is drawn in each resample, [1 + RESAMPLES, n]; row 0 is the data itself."""
    random = np.random.default_rng(seed)
    drawn = np.ones((1 + RESAMPLES, n))
    for i in range(RESAMPLES):
        drawn[1 + i] = np.bincount(random.integers(0, n, n), minlength=n)
    return drawn


def _interval(values: Values, *, biased: bool = False) -> dict[str, float]:
    """Return the value, the first, and the interval of the others.

    A resample leaves a third of the questions out, and their rare tags with them: what is no mean over questions is
    ``biased`` by that, and its interval is moved back by as much.
    """
    low, high = np.percentile(values[1:], [2.5, 97.5]) - (values[1:].mean() - values[0] if biased else 0)
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def _by_tag(posted: Sequence[Collection[str]], given: Sequence[Answer], weights: Values) -> dict[str, dict[str, float]]:
    """Measure what is shown tag by tag (macro) and over all tags in one (micro)."""
    number: dict[str, int] = {}
    own = _pairs(posted, number)
    shown = _pairs([answer.tags[: answer.confident] for answer in given], number)
    own.resize(own.shape[0], len(number))
    right = own.multiply(shown).tocsr()
    of_own, of_shown, of_right = (np.asarray((matrix.T @ weights.T).T) for matrix in (own, shown, right))
    both = of_own + of_shown
    here = both > 0
    tags = here.sum(axis=1)
    f1 = np.divide(2 * of_right, both, out=np.zeros_like(both), where=here)
    jaccard = np.divide(of_right, both - of_right, out=np.zeros_like(both), where=here)
    all_own, all_shown, all_right = of_own.sum(axis=1), of_shown.sum(axis=1), of_right.sum(axis=1)
    return {
        "F1 micro": _interval(2 * all_right / (all_own + all_shown)),
        "F1 macro": _interval(f1.sum(axis=1) / tags, biased=True),
        "Jaccard micro": _interval(all_right / (all_own + all_shown - all_right)),
        "Jaccard macro": _interval(jaccard.sum(axis=1) / tags, biased=True),
        "precision": _interval(all_right / np.maximum(all_shown, 1)),
        "recall": _interval(all_right / all_own),
    }


def _pairs(tags_of: Sequence[Collection[str]], number: dict[str, int]) -> sparse.csr_matrix:
    rows = [i for i, tags in enumerate(tags_of) for _ in set(tags)]
    columns = [number.setdefault(tag, len(number)) for tags in tags_of for tag in set(tags)]
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(tags_of), max(len(number), 1)))


def _scored(given: Sequence[Answer]) -> tuple[Values, NDArray[np.bool_]]:
    """Return the scores of the best tags and where there is one, both [questions, RANKS]."""
    scores, answered = np.zeros((len(given), RANKS)), np.zeros((len(given), RANKS), bool)
    for i, answer in enumerate(given):
        n = len(answer.tags[:RANKS])
        scores[i, :n], answered[i, :n] = answer.scores[:n], True
    return scores, answered


def _calibration_error(given: Sequence[Answer], posted: Sequence[Collection[str]], weights: Values) -> dict[str, float]:
    """Return the expected calibration error over bins with equally many suggestions (Nguyen and O'Connor 2015)."""
    scores, answered = _scored(given)
    if not answered.any():
        return {"value": 0.0, "low": 0.0, "high": 0.0}
    bins = np.searchsorted(_edges(scores[answered]), scores)
    rows = np.repeat(np.arange(len(scores)), scores.shape[1])[answered.ravel()]
    place = (rows, bins[answered])
    gap = sparse.csr_matrix(((scores - _hits(posted, given))[answered], place), shape=(len(scores), BINS))
    suggestions = np.bincount(rows, minlength=len(scores))
    error = np.abs(weights @ gap.toarray()).sum(axis=1) / np.maximum(weights @ suggestions, 1)
    return _interval(error, biased=True)


def _edges(scores: Values) -> Values:
    """Return the scores that part ``BINS`` bins with equally many suggestions."""
    return np.asarray(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1]), np.float64)


def reliability(posted: Sequence[Collection[str]], given: Sequence[Answer]) -> list[dict[str, float]]:
    """Return for each bin of the calibration error ``{n, score, right}``: mean score and share of right suggestions."""
    posted, given = _by_names_in_use(posted, given)
    scores, answered = _scored(given)
    flat, right = scores[answered], _hits(posted, given)[answered]
    bins = np.searchsorted(_edges(flat), flat) if len(flat) else np.zeros(0, int)
    return [
        {"n": int(inside.sum()), "score": float(flat[inside].mean()), "right": float(right[inside].mean())}
        for inside in (bins == i for i in range(BINS))
        if inside.any()
    ]


def by_frequency(
    posted: Sequence[Collection[str]], given: Sequence[Answer], uses: Mapping[str, int]
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
    for tags, answer in zip(*_by_names_in_use(posted, given), strict=True):
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


def report(
    questions: Sequence[Question], given: Sequence[Answer], uses: Mapping[str, int], seed: int = 1
) -> dict[str, Any]:
    """Measure a model on all questions, and by kind and length of draft, year, source and frequency of tags.

    Args:
        uses: of each tag in the training data; empty where that is not at hand, and then nothing is told by it.

    Returns:
        ``{n, metrics, parts: {kind|length|year|source: {part: {n, metrics}}}, frequency: {band: …}, reliability}``.
        Parts of fewer than ``LEAST_OF_A_PART`` questions are left out.

    Raises:
        ValueError: there is no question with complete tags.
    """
    whole = [i for i, question in enumerate(questions) if question.tags_complete]

    def measured(rows: Sequence[int]) -> dict[str, dict[str, float]]:
        return metrics([questions[i].tags for i in rows], [given[i] for i in rows], seed)

    ways: dict[str, Callable[[Question], str]] = {
        "kind": lambda question: "with a body" if question.body.strip() else "title only",
        "length": lambda question: next((name for most, name in LENGTHS if len(question.body) < most), LONGEST),
        "year": lambda question: str(question.year) if question.year else "unknown",
        "source": lambda question: question.source,
    }
    order = {part: i for i, part in enumerate([name for _, name in LENGTHS] + [LONGEST])}
    parts: dict[str, dict[str, Any]] = {}
    for way, part_of in ways.items():
        rows_of: dict[str, list[int]] = {}
        for i in whole:
            rows_of.setdefault(part_of(questions[i]), []).append(i)
        parts[way] = {
            part: {"n": len(rows), "metrics": measured(rows)}
            for part, rows in sorted(rows_of.items(), key=lambda of: (order.get(of[0], 0), of[0]))
            if len(rows) >= LEAST_OF_A_PART
        }
    posted, answered = [questions[i].tags for i in whole], [given[i] for i in whole]
    return {
        "n": len(whole),
        "metrics": measured(whole),
        "parts": parts,
        "frequency": by_frequency(posted, answered, uses) if uses else {},
        "reliability": reliability(posted, answered),
    }


def table(result: dict[str, Any]) -> str:
    """Lay out what ``evaluate`` measured for a terminal: models and baselines side by side, then the models' parts."""
    models, baselines = result["models"], result["baselines"]
    lines = [f"split {result['split']}, n = {result['n']:,} questions with complete tags"]
    if left_out := result.get("left_out"):
        lines.append(f"left out, seen in training: {left_out['questions']:,} of {left_out['of']:,}")
    lines += [f"{name}: vocabulary {of['vocabulary']:,} tags" for name, of in models.items()]
    width = max([24, *map(len, models)]) + 2
    lines += ["", f"{'metric':<14}" + "".join(f"{name:>{width}}" for name in (*models, *baselines)) + "  meaning"]
    for name, meaning in MEANING.items():
        cells = [of["metrics"][name] for of in models.values()] + [of[name] for of in baselines.values()]
        lines.append(f"{name:<14}" + "".join(f"{_with_interval(cell):>{width}}" for cell in cells) + f"  {meaning}")
    for name, of in result["differences"].items():
        told = ", ".join(
            f"{metric} {c['value']:+.3f} ({c['low']:+.3f} to {c['high']:+.3f})" for metric, c in of.items()
        )
        lines += ["", f"{name}: {told}"]
    for name, of in models.items():
        lines += ["", f"--- {name}", *_parts(of)]
    return "\n".join(lines)


def _with_interval(cell: dict[str, float]) -> str:
    return f"{cell['value']:.3f} {cell['low']:.3f} to {cell['high']:.3f}"


def _parts(of: dict[str, Any]) -> list[str]:
    """Lay out one model's numbers part by part."""
    lines: list[str] = []
    for way, parts in of["parts"].items():
        width = max([24, *map(len, parts)])
        lines += [f"{'by ' + way:<{width}}{'n':>7}" + "".join(f"{name:>25}" for name in PART_METRICS)]
        for part, measured in parts.items():
            cells = (measured["metrics"][name] for name in PART_METRICS)
            lines.append(f"{part:<{width}}{measured['n']:>7,}" + "".join(f"{_with_interval(c):>25}" for c in cells))
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
