"""How good the suggestions are on questions with known tags: the field's metrics, with intervals, part by part.

Only questions with complete tags count. A posted tag outside the vocabulary is a miss. All names of one tag are judged
as one, by the name in use: who posted ``osx`` and is offered ``macos`` was understood. Intervals are 95 %,
percentile bootstrap over questions (Efron and Tibshirani 1993), seeded.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from model.evaluation.answers import Answer
from model.questions import RANKS
from model.serving.synonyms import main_names, name_in_use

RESAMPLES: Final = 1_000
BINS: Final = 15
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


def compute_metrics(
    posted: Sequence[Collection[str]], answers: Sequence[Answer], seed: int = 1
) -> dict[str, dict[str, float]]:
    """Measure answers against the posted tags: {metric: {value, low, high}}, names as in ``MEANING``.

    Raises:
        ValueError: there is no question.
    """
    if not posted:
        raise ValueError("there is no question with complete tags to measure on")
    weights = _draw_resamples(len(posted), seed)
    posted, answers = use_names_in_use(posted, answers)
    columns = _question_metrics(posted, answers)
    values = weights @ np.column_stack(list(columns.values())) / len(posted)
    result = {name: _interval(values[:, i]) for i, name in enumerate(columns)}
    result |= _tag_metrics(posted, answers, weights)
    result["ECE"] = _calibration_error(answers, posted, weights)
    return {name: result[name] for name in MEANING}


def compute_differences(
    posted: Sequence[Collection[str]], first: Sequence[Answer], second: Sequence[Answer], seed: int = 1
) -> dict[str, dict[str, float]]:
    """Return by how much the first answers are better than the second on the same questions, with its interval.

    The interval is of the difference itself, question by question: two models err on the same questions, so their own
    intervals may overlap where the difference is sure.
    """
    weights = _draw_resamples(len(posted), seed)
    one, other = (_question_metrics(*use_names_in_use(posted, answers)) for answers in (first, second))
    return {name: _interval(weights @ (one[name] - other[name]) / len(posted)) for name in COMPARED}


def use_names_in_use(
    posted: Sequence[Collection[str]], answers: Sequence[Answer]
) -> tuple[list[Collection[str]], list[Answer]]:
    """Return posted tags and answers with every tag under its name in use."""
    answers_in_use = [replace(answer, tags=tuple(map(name_in_use, answer.tags))) for answer in answers]
    return [main_names(tags) for tags in posted], answers_in_use


def _find_hits(posted: Sequence[Collection[str]], answers: Sequence[Answer]) -> NDArray[np.bool_]:
    """Return which of the best tags are right, [questions, RANKS]; a second name of one tag is not right once more."""
    hits = np.zeros((len(posted), RANKS), bool)
    for i, (tags, answer) in enumerate(zip(posted, answers, strict=True)):
        best = answer.tags[:RANKS]
        for rank, tag in enumerate(best):
            hits[i, rank] = tag in tags and tag not in best[:rank]
    return hits


def _question_metrics(posted: Sequence[Collection[str]], answers: Sequence[Answer]) -> dict[str, Values]:
    """Return the metrics that are means over questions, of each question."""
    hits = _find_hits(posted, answers)
    own = np.array([len(set(tags)) for tags in posted])
    shown = np.array([answer.confident for answer in answers])
    right = np.array([row[:n].sum() for row, n in zip(hits, shown, strict=True)])
    columns: dict[str, Values] = {}
    for k in (1, 3, 5):
        columns[f"P@{k}"] = hits[:, :k].sum(axis=1) / k
    hit_counts = hits.sum(axis=1)
    columns["R@5"] = hit_counts / np.minimum(RANKS, own)
    columns["R@5 of all"] = hit_counts / own
    columns["F1@5"] = 2 * hit_counts / (RANKS + own)
    for k in (1, 3, 5):
        columns[f"hit@{k}"] = hits[:, :k].any(axis=1).astype(float)
    columns["all@5"] = (hit_counts == own).astype(float)
    columns["Jaccard"] = right / (shown + own - right)
    columns["F1 samples"] = 2 * right / (shown + own)
    columns["exact match"] = ((right == own) & (right == shown)).astype(float)
    columns["coverage"] = (shown > 0).astype(float)
    return columns


def _draw_resamples(n: int, seed: int) -> Values:
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


def _tag_metrics(
    posted: Sequence[Collection[str]], answers: Sequence[Answer], weights: Values
) -> dict[str, dict[str, float]]:
    """Measure what is shown tag by tag (macro) and over all tags in one (micro)."""
    number: dict[str, int] = {}
    own = _incidence(posted, number)
    shown = _incidence([answer.tags[: answer.confident] for answer in answers], number)
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


def _incidence(tags_of: Sequence[Collection[str]], number: dict[str, int]) -> sparse.csr_matrix:
    rows = [i for i, tags in enumerate(tags_of) for _ in set(tags)]
    columns = [number.setdefault(tag, len(number)) for tags in tags_of for tag in set(tags)]
    return sparse.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(tags_of), max(len(number), 1)))


def _score_matrix(answers: Sequence[Answer]) -> tuple[Values, NDArray[np.bool_]]:
    """Return the scores of the best tags and where there is one, both [questions, RANKS]."""
    scores, answered = np.zeros((len(answers), RANKS)), np.zeros((len(answers), RANKS), bool)
    for i, answer in enumerate(answers):
        n = len(answer.tags[:RANKS])
        scores[i, :n], answered[i, :n] = answer.scores[:n], True
    return scores, answered


def _calibration_error(
    answers: Sequence[Answer], posted: Sequence[Collection[str]], weights: Values
) -> dict[str, float]:
    """Return the expected calibration error over bins with equally many suggestions (Nguyen and O'Connor 2015)."""
    scores, answered = _score_matrix(answers)
    if not answered.any():
        return {"value": 0.0, "low": 0.0, "high": 0.0}
    bins = np.searchsorted(_bin_edges(scores[answered]), scores)
    rows = np.repeat(np.arange(len(scores)), scores.shape[1])[answered.ravel()]
    place = (rows, bins[answered])
    gap = sparse.csr_matrix(((scores - _find_hits(posted, answers))[answered], place), shape=(len(scores), BINS))
    suggestions = np.bincount(rows, minlength=len(scores))
    error = np.abs(weights @ gap.toarray()).sum(axis=1) / np.maximum(weights @ suggestions, 1)
    return _interval(error, biased=True)


def _bin_edges(scores: Values) -> Values:
    """Return the scores that part ``BINS`` bins with equally many suggestions."""
    return np.asarray(np.quantile(scores, np.linspace(0, 1, BINS + 1)[1:-1]), np.float64)


def reliability(posted: Sequence[Collection[str]], answers: Sequence[Answer]) -> list[dict[str, float]]:
    """Return for each bin of the calibration error ``{n, score, right}``: mean score and share of right suggestions."""
    posted, answers = use_names_in_use(posted, answers)
    scores, answered = _score_matrix(answers)
    flat, right = scores[answered], _find_hits(posted, answers)[answered]
    bins = np.searchsorted(_bin_edges(flat), flat) if len(flat) else np.zeros(0, int)
    return [
        {"n": int(inside.sum()), "score": float(flat[inside].mean()), "right": float(right[inside].mean())}
        for inside in (bins == i for i in range(BINS))
        if inside.any()
    ]
