"""How good the suggestions are on questions with known tags: the field's metrics, with intervals, part by part.

Only questions with complete tags count. A posted tag outside the vocabulary is a miss. Intervals are 95 %,
percentile bootstrap over questions (Efron and Tibshirani 1993), seeded.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from model.classifier import Classifier
from model.questions import Question

RANKS: Final = 5
RESAMPLES: Final = 1_000
BINS: Final = 15
LEAST_OF_A_PART: Final = 50
"""Questions below which a source or a year is not shown by itself."""

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
    """Give the baseline: the commonest tags of the training data for every question, all of them shown."""
    total = max(sum(share_of.values()), 1)
    best = share_of.most_common(RANKS)
    answer = Answer(tuple(tag for tag, _ in best), tuple(n / total for _, n in best), len(best))
    return [answer] * len(questions)


def metrics(posted: Sequence[Sequence[str]], given: Sequence[Answer], seed: int = 1) -> dict[str, dict[str, float]]:
    """Measure answers against the posted tags: {metric: {value, low, high}}, names as in ``MEANING``.

    Raises:
        ValueError: there is no question.
    """
    if not posted:
        raise ValueError("there is no question with complete tags to measure on")
    n = len(posted)
    hits = np.zeros((n, RANKS), bool)
    scores = np.zeros((n, RANKS))
    answered = np.zeros((n, RANKS), bool)
    for i, (tags, answer) in enumerate(zip(posted, given, strict=True)):
        for rank, tag in enumerate(answer.tags[:RANKS]):
            hits[i, rank], scores[i, rank], answered[i, rank] = tag in tags, answer.scores[rank], True
    own = np.array([len(set(tags)) for tags in posted])
    shown = np.array([answer.confident for answer in given])
    right = np.array([hits[i, : shown[i]].sum() for i in range(n)])

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

    weights = _resampled(n, seed)
    values = weights @ np.column_stack(list(columns.values())) / n
    result = {name: _interval(values[:, i]) for i, name in enumerate(columns)}
    result |= _by_tag(posted, given, weights)
    result["ECE"] = _calibration_error(scores, hits, answered, weights)
    return {name: result[name] for name in MEANING}


def _resampled(n: int, seed: int) -> Values:
    """Give how often each question is drawn in each resample, [1 + RESAMPLES, n]; the first row is the data itself."""
    random = np.random.default_rng(seed)
    drawn = np.ones((1 + RESAMPLES, n))
    for i in range(RESAMPLES):
        drawn[1 + i] = np.bincount(random.integers(0, n, n), minlength=n)
    return drawn


def _interval(values: Values, *, biased: bool = False) -> dict[str, float]:
    """Give the value, the first, and the interval of the others.

    A resample leaves a third of the questions out, and their rare tags with them: what is no mean over questions is
    ``biased`` by that, and its interval is moved back by as much.
    """
    low, high = np.percentile(values[1:], [2.5, 97.5]) - (values[1:].mean() - values[0] if biased else 0)
    return {"value": float(values[0]), "low": float(low), "high": float(high)}


def _by_tag(posted: Sequence[Sequence[str]], given: Sequence[Answer], weights: Values) -> dict[str, dict[str, float]]:
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


def _pairs(tags_of: Sequence[Sequence[str]], number: dict[str, int]) -> sparse.csr_matrix:
    rows = [i for i, tags in enumerate(tags_of) for _ in set(tags)]
    columns = [number.setdefault(tag, len(number)) for tags in tags_of for tag in set(tags)]
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(tags_of), max(len(number), 1)))


def _calibration_error(
    scores: Values, hits: NDArray[np.bool_], answered: NDArray[np.bool_], weights: Values
) -> dict[str, float]:
    """Give the expected calibration error over bins with equally many suggestions (Nguyen and O'Connor 2015)."""
    if not answered.any():
        return {"value": 0.0, "low": 0.0, "high": 0.0}
    edges = np.quantile(scores[answered], np.linspace(0, 1, BINS + 1)[1:-1])
    bins = np.searchsorted(edges, scores)
    rows = np.repeat(np.arange(len(scores)), scores.shape[1])[answered.ravel()]
    shape = (len(scores), BINS)
    place = (rows, bins[answered])
    gap = sparse.csr_matrix(((scores - hits)[answered], place), shape=shape)
    suggestions = np.bincount(rows, minlength=len(scores))
    error = np.abs(weights @ gap.toarray()).sum(axis=1) / np.maximum(weights @ suggestions, 1)
    return _interval(error, biased=True)


def report(
    questions: Sequence[Question], given: Sequence[Answer], baseline: Sequence[Answer], seed: int = 1
) -> dict[str, Any]:
    """Measure a model and the baseline on all questions, and the model by kind of draft, year and source.

    Returns:
        ``{n, metrics, baseline, parts: {kind|year|source: {part: {n, metrics}}}}``. Parts of fewer than
        ``LEAST_OF_A_PART`` questions are left out.

    Raises:
        ValueError: there is no question with complete tags.
    """
    whole = [i for i, question in enumerate(questions) if question.tags_complete]

    def measured(rows: Sequence[int], of: Sequence[Answer]) -> dict[str, dict[str, float]]:
        return metrics([questions[i].tags for i in rows], [of[i] for i in rows], seed)

    ways: dict[str, Callable[[Question], str]] = {
        "kind": lambda question: "with a body" if question.body.strip() else "title only",
        "year": lambda question: str(question.year) if question.year else "unknown",
        "source": lambda question: question.source,
    }
    parts: dict[str, dict[str, Any]] = {}
    for way, part_of in ways.items():
        rows_of: dict[str, list[int]] = {}
        for i in whole:
            rows_of.setdefault(part_of(questions[i]), []).append(i)
        parts[way] = {
            part: {"n": len(rows), "metrics": measured(rows, given)}
            for part, rows in sorted(rows_of.items())
            if len(rows) >= LEAST_OF_A_PART
        }
    return {
        "n": len(whole),
        "metrics": measured(whole, given),
        "baseline": measured(whole, baseline),
        "parts": parts,
    }


def table(result: dict[str, Any]) -> str:
    """Lay a report out for a terminal."""
    lines = [
        f"split {result['split']}, n = {result['n']:,} questions with complete tags, "
        f"vocabulary {result['vocabulary']:,} tags, model {result['version']}",
        "",
        f"{'metric':<14}{'value':>7}  {'95 % interval':<15}{'baseline':>9}  meaning",
    ]
    for name, meaning in MEANING.items():
        found, base = result["metrics"][name], result["baseline"][name]
        lines.append(
            f"{name:<14}{found['value']:>7.3f}  {found['low']:.3f} to {found['high']:.3f} "
            f"{base['value']:>9.3f}  {meaning}"
        )
    lines += ["", "The baseline shows the five commonest tags of the training data for every question."]
    for way, parts in result["parts"].items():
        width = max([24, *map(len, parts)]) if way == "source" else 24
        lines += ["", f"{'by ' + way:<{width}}{'n':>7}" + "".join(f"{name:>25}" for name in PART_METRICS)]
        for part, of in parts.items():
            cells = (of["metrics"][name] for name in PART_METRICS)
            lines.append(
                f"{part:<{width}}{of['n']:>7,}"
                + "".join(f"{c['value']:>10.3f} {c['low']:.3f} to {c['high']:.3f}" for c in cells)
            )
    if "latency_ms" in result:
        latency = result["latency_ms"]
        lines += [
            "",
            f"one suggestion, title with {latency['body_chars']:,} characters, one thread, n = {latency['n']:,}: "
            f"p50 {latency['p50']:.2f} ms, p99 {latency['p99']:.2f} ms",
        ]
    return "\n".join(lines)
