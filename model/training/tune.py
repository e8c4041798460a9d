"""What is fitted on the tune part once the weights are learned: head weight, names, calibration, cooccurrence."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from model.questions import RANKS, Question
from model.runs.arrays import Floats, Ints
from model.serving.decision import Decision
from model.training import calibration, cooccurrence, tag_names, tfidf, train
from model.training.calibration import Calibration
from model.training.encoder.head import Head
from model.training.tag_name_fit import NameFitInput, fit_matcher
from model.training.tag_names import NameMatcher

CHUNK: Final = 1_000
"""Questions whose tags are all ordered at once, for the memory's sake."""
HEAD_WEIGHTS: Final = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)
"""Weights of the fine-tuning's head beside what is learned together with the words, to try."""


@dataclass(frozen=True, slots=True)
class TuneLogits:
    """The trained model's logits for the tune questions before calibration, and what is known of these questions.

    ``logits`` [questions, learned tags]; ``kind`` [questions]: 1 with a known word in the body, else 0; ``own``: the
    numbers of each question's tags; ``posted`` [questions]: how many tags each has.
    """

    logits: Floats
    kind: Ints
    texts: Sequence[tuple[str, str]]
    own: Sequence[frozenset[int]]
    posted: Ints

    @classmethod
    def compute(
        cls,
        vocabulary: tfidf.Vocabulary,
        weights: train.Weights,
        tags: Sequence[str],
        questions: Sequence[Question],
        embeddings: train.QuestionEmbeddings,
    ) -> "TuneLogits":
        """Run the trained model on the tune questions."""
        number = {tag: i for i, tag in enumerate(tags)}
        counts = tfidf.count_features(vocabulary, [q.title for q in questions], [q.body for q in questions])
        x = tfidf.weight_features(counts, vocabulary)
        return cls(
            train.compute_logits(weights, x, embeddings.whole.astype(np.float32)),
            tfidf.draft_kinds(x, vocabulary),
            [(q.title, q.body) for q in questions],
            [frozenset(number[tag] for tag in q.tags if tag in number) for q in questions],
            np.array([len(q.tags) for q in questions]),
        )

    def is_right(self, best: Ints) -> NDArray[np.bool_]:
        """Return which of each question's tags in ``best`` [questions, n] are its own."""
        return np.array([[tag in own for tag in row] for row, own in zip(best.tolist(), self.own, strict=True)])

    def order(self, scale: Calibration, matcher: NameMatcher) -> Iterator[Floats]:
        """Yield what orders all tags, the names found included, ``CHUNK`` questions at a time."""
        names = matcher.find(self.texts)
        for first in range(0, len(names), CHUNK):
            rows = slice(first, first + CHUNK)
            ordering = scale.order(matcher.pad(self.logits[rows]), self.kind[rows])
            yield matcher.apply(ordering, names[rows])


def add_head(
    weights: train.Weights,
    head: Head,
    tags: Sequence[str],
    tune_logits: TuneLogits,
    embeddings: train.QuestionEmbeddings,
) -> tuple[train.Weights, float]:
    """Add the fine-tuning's own head to the encoder's part, with the best of ``HEAD_WEIGHTS``; return that too.

    The embeddings of train rows know their tags a little, since the encoder was fine-tuned on these rows: what is
    learned from them relies on the encoder too much in some places. The head was learned under dropout, while the
    embeddings changed, and errs elsewhere.
    """
    weight, bias = head.select(tags)
    added = embeddings.whole.astype(np.float32) @ weight.T + bias

    def measure(times: float) -> float:
        """Return P@1 + R@5."""
        best = calibration.best_first(tune_logits.logits + np.float32(times) * added, RANKS)
        right = tune_logits.is_right(best)
        return float(np.mean(right[:, 0] + right.sum(axis=1) / np.minimum(tune_logits.posted, RANKS)))

    times = max(HEAD_WEIGHTS, key=measure)
    dense = weights.dense + np.float32(times) * weight.T
    return replace(weights, dense=dense, bias=weights.bias + np.float32(times) * bias), times


def fit_platt(tune_logits: TuneLogits, uses: Ints) -> Calibration:
    """Fit Platt scaling of the learned tags, by their ``uses``; the curve is still straight."""
    best = calibration.best_first(tune_logits.logits, calibration.CANDIDATES)
    logits = np.take_along_axis(tune_logits.logits, best, axis=1)
    return calibration.fit_order(logits, tune_logits.is_right(best), best, tune_logits.kind, uses)


def fit_scores(
    tune_logits: TuneLogits, counts: tag_names.SpellingCounts, uses: Ints, learned: int
) -> tuple[Calibration, NameMatcher, Decision]:
    """Fit Platt scaling of the ``learned`` tags, tag names, the curve, and the decision rule, one after the other."""
    kind, rare = tune_logits.kind, len(uses) - learned
    scale = fit_platt(tune_logits, uses[:learned])
    ordering = scale.order(tune_logits.logits, kind)
    questions = NameFitInput(ordering, kind, tune_logits.own, tune_logits.texts)
    matcher = fit_matcher(counts, questions, rare)
    scale = scale.pad(rare)
    scale, decision = fit_curve_and_decision(tune_logits, scale, tune_logits.order(scale, matcher))
    return scale, matcher, decision


def fit_curve_and_decision(
    tune_logits: TuneLogits, scale: Calibration, orderings: Iterable[Floats]
) -> tuple[Calibration, Decision]:
    """Fit the curve after Platt scaling, and the decision rule.

    Args:
        orderings: what orders all tags of the tune questions, some questions at a time.
    """
    kind, parts = tune_logits.kind, []
    for values in orderings:
        best = calibration.best_first(values, calibration.CANDIDATES)
        parts.append((np.take_along_axis(values, best, axis=1), best))
    candidates, best = (np.concatenate(part) for part in zip(*parts, strict=True))
    right = tune_logits.is_right(best)
    scale = calibration.fit_curve(scale, candidates, right, kind)
    return scale, calibration.fit_decision(scale.scores(candidates, kind), right, tune_logits.posted)


def fit_cooccurrence(
    tags: Sequence[str],
    tag_sets: Sequence[Sequence[str]],
    tune_logits: TuneLogits,
    scale: Calibration,
    matcher: NameMatcher,
) -> tuple[cooccurrence.Cooccurrence, dict[str, float]]:
    """Count which tags occur together, and weight it by what finds most of the other tags when one is chosen.

    Then a chosen tag lowers the others by as much as makes their scores right on average. The dictionary is for the
    manifest.
    """
    counted = cooccurrence.count_cooccurrence(tags, tag_sets)
    kinds, chunks = [], []
    for chunk, ordering in enumerate(tune_logits.order(scale, matcher)):
        rows = slice(chunk * CHUNK, chunk * CHUNK + len(ordering))
        own, posted = tune_logits.own[rows], tune_logits.posted[rows]
        chunks.append(
            [
                # The same choices for each weight.
                cooccurrence.choose_one(counted.scale(weight), ordering, own, posted, np.random.default_rng(chunk))
                for weight in cooccurrence.WEIGHTS
            ]
        )
        kinds.append(tune_logits.kind[rows][chunks[-1][0].rows])
    by_weight = [cooccurrence.concatenate(of_weight) for of_weight in zip(*chunks, strict=True)]
    recall = [remaining.recall() for remaining in by_weight]
    best = int(np.argmax(recall))
    kind, remaining = np.concatenate(kinds), by_weight[best]

    def calibration_error(less: float) -> float:
        scores = scale.scores(remaining.values - np.float32(less), kind)
        return abs(float(np.mean(scores - remaining.right))) if len(scores) else 0.0

    less = min(cooccurrence.LESS_TRIED, key=calibration_error)
    measured = {
        "weight": cooccurrence.WEIGHTS[best],
        "less": less,
        "n": len(kind),
        "R@5 without": round(recall[0], 4),
        "R@5 with": round(recall[best], 4),
    }
    return replace(counted.scale(cooccurrence.WEIGHTS[best]), less=less), measured
