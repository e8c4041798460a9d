"""One rule for every compared model: show the tags from a threshold on, and never none."""

from collections.abc import Sequence

import numpy as np

from model.evaluation.answers import Answer
from model.questions import RANKS
from model.runs.arrays import Floats
from model.training.calibration import best_first


def best_tags(scores: Floats, tags: Sequence[str]) -> list[Answer]:
    """Return each row's best ``RANKS`` tags, best first, none of them shown yet: scores are [questions, tags]."""
    order = best_first(scores, min(RANKS, len(tags)))
    values = np.take_along_axis(scores, order, axis=1)
    return [
        Answer(tuple(tags[i] for i in row), tuple(row_scores), 0)
        for row, row_scores in zip(order.tolist(), values.tolist(), strict=True)
    ]


def fit_threshold(answers: Sequence[Answer], posted: Sequence[Sequence[str]]) -> float:
    """Find the threshold with the best Jaccard, mean over questions, among 200 quantiles of the scores seen.

    Raises:
        ValueError: there is no answer with a score.
    """
    answered = [(answer, tags) for answer, tags in zip(answers, posted, strict=True) if answer.tags]
    if not answered:
        raise ValueError("there is no answer to fit a threshold on")
    scores = np.full((len(answered), RANKS), -np.inf)
    hits = np.zeros((len(answered), RANKS + 1), int)
    own = np.array([len(tags) for _, tags in answered])
    for i, (answer, tags) in enumerate(answered):
        scores[i, : len(answer.scores)] = answer.scores
        hits[i, 1 : len(answer.tags) + 1] = np.cumsum([tag in tags for tag in answer.tags])

    def jaccard(threshold: float) -> float:
        n = np.maximum((scores >= threshold).sum(axis=1), 1)
        right = hits[np.arange(len(n)), n]
        return float((right / (n + own - right)).mean())

    seen = scores[np.isfinite(scores)]
    thresholds: list[float] = np.unique(np.quantile(seen, np.linspace(0, 1, 201))).tolist()
    return max(thresholds, key=jaccard)


def show_tags(answers: Sequence[Answer], threshold: float) -> list[Answer]:
    """Show the tags with a score of ``threshold`` or more, and at least the best one where there is one."""
    return [
        Answer(
            answer.tags,
            answer.scores,
            max(min(1, len(answer.tags)), sum(score >= threshold for score in answer.scores)),
        )
        for answer in answers
    ]
