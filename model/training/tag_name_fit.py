"""The fit of tag names on the tune part: the target logit of each spelling, and how strongly it pulls."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from model.runs.arrays import Floats, Ints
from model.training.tag_names import FieldNames, NameMatcher, SpellingCounts, SpellingFinder

MIN_TARGET: Final = -3.0
"""Targets below it move nothing that is ever shown; such spellings are left out."""
CANDIDATES: Final = 20
"""Best tags of a question that the fit looks at, beside those whose names are found."""
_LIKELY: Final = -2.5
"""Log-odds of its share from which on a spelling makes its tag a candidate of the fit."""
_L2: Final = 1e-5
"""Weight of the squares of a target's weights in the loss."""


@dataclass(frozen=True, slots=True)
class NameFitInput:
    """The questions of the fit: ``ordering`` [questions, learned tags], kind, own tags, title and body."""

    ordering: Floats
    kind: Ints
    own: Sequence[frozenset[int]]
    texts: Sequence[tuple[str, str]]


class _Parameters(NamedTuple):
    """What is fitted, as views of one vector: so a gradient is written by name too.

    ``start`` [1]: of tags without a learned logit. ``scale``, ``offset`` [2]: by kind of draft. ``pull_strength`` [2]
    and ``target`` [2, inputs]: by field.
    """

    start: NDArray[np.float64]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    pull_strength: NDArray[np.float64]
    target: NDArray[np.float64]

    @classmethod
    def of(cls, vector: NDArray[np.float64]) -> "_Parameters":
        return cls(vector[0:1], vector[1:3], vector[3:5], vector[5:7], vector[7:].reshape(2, -1))


class _Candidates(NamedTuple):
    """Pairs of a question and a tag that the fit looks at.

    ``right`` and ``logit`` [pairs]: whether it is the question's, and its learned logit, 0 without (``has_logit``).
    ``inputs`` and ``is_named`` by field, [pairs, inputs] and [pairs]: of the spelling with the highest share.
    """

    right: NDArray[np.float64]
    logit: NDArray[np.float64]
    has_logit: NDArray[np.bool_]
    kind: Ints
    inputs: list[NDArray[np.float64]]
    is_named: list[NDArray[np.bool_]]


def fit_matcher(counts: SpellingCounts, questions: NameFitInput, rare: int) -> NameMatcher:
    """Fit target logits and pull strengths on the tune part; ``rare`` tags follow the learned ones.

    A target is a straight line in the share's log-odds with a bend at -2 and at 0, in the logarithm of the number of
    texts, and in whether the tag has a learned logit (which then knows its name already). All is fitted at once by
    binary cross-entropy over each question's candidates; every kind of draft has its own scale.
    """
    learned = questions.ordering.shape[1]
    inputs = [_target_inputs(counts, field, learned) for field in (0, 1)]
    candidates = _collect_candidates(counts, questions, inputs)
    width = inputs[0].shape[1]
    initial_vector = np.zeros(7 + 2 * width)
    initial = _Parameters.of(initial_vector)
    initial.start[:], initial.scale[:], initial.pull_strength[:] = -2, 1, 0.5
    initial.target[:, 1] = 1  # the share's own log-odds
    start, scale, offset, pull_strength = (-10.0, 0.0), (0.1, 10.0), (-10.0, 10.0), (0.02, 0.98)
    bounds = [start, *[scale] * 2, *[offset] * 2, *[pull_strength] * 2, *[(-20.0, 20.0)] * (2 * width)]
    options = {"maxiter": 150}
    result = minimize(_loss, initial_vector, (candidates,), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    fitted = _Parameters.of(result.x)
    names = []
    for field in (0, 1):
        targets = inputs[field] @ fitted.target[field]
        kept = np.flatnonzero(targets >= MIN_TARGET)
        names.append(
            FieldNames(
                tuple(counts.spellings[i] for i in kept),
                counts.tags[kept],
                targets[kept].astype(np.float32),
                round(float(fitted.pull_strength[field]), 4),
            )
        )
    return NameMatcher(names[0], names[1], learned, rare, round(float(fitted.start[0]), 4))


def _loss(vector: NDArray[np.float64], candidates: _Candidates) -> tuple[float, NDArray[np.float64]]:
    """Return the loss of a vector of parameters, and its gradient."""
    right, logit, has_logit, kind, inputs, is_named = candidates
    p = _Parameters.of(vector)
    z = logit + p.start * ~has_logit
    gaps, total = [], z.copy()
    for field in (0, 1):
        target = inputs[field] @ p.target[field]
        gap = np.where(is_named[field], np.maximum(target - z, 0), 0)
        gaps.append(gap)
        total += p.pull_strength[field] * gap
    scale, offset = p.scale[kind], p.offset[kind]
    s = scale * total + offset
    error = (expit(s) - right) / len(right)
    by_total = error * scale
    gradient_vector = np.zeros_like(vector)
    gradient = _Parameters.of(gradient_vector)
    by_logit = by_total.copy()
    for k in (0, 1):
        gradient.scale[k], gradient.offset[k] = (error * total)[kind == k].sum(), error[kind == k].sum()
    for field in (0, 1):
        gradient.pull_strength[field] = (by_total * gaps[field]).sum()
        by_target = by_total * p.pull_strength[field] * (gaps[field] > 0)
        gradient.target[field] = by_target @ inputs[field]
        by_logit -= by_target
    gradient.start[:] = by_logit[~has_logit].sum()
    gradient.target[:] += 2 * _L2 * p.target
    loss = float(np.mean(np.logaddexp(0, s) - right * s) + _L2 * (p.target.ravel() ** 2).sum())
    return loss, gradient_vector


def _target_inputs(counts: SpellingCounts, field: int, learned: int) -> NDArray[np.float64]:
    """Return what the targets of a field's spellings are computed from: [spellings, inputs]."""
    share, texts = counts.share[field].astype(np.float64), np.log1p(counts.texts[field].astype(np.float64))
    has_logit = (counts.tags < learned).astype(np.float64)
    bends = [np.maximum(share + 2, 0), np.maximum(share, 0)]
    return np.column_stack([np.ones(len(share)), share, *bends, texts, has_logit, texts * has_logit])


def _collect_candidates(
    counts: SpellingCounts, questions: NameFitInput, inputs: Sequence[NDArray[np.float64]]
) -> _Candidates:
    learned = questions.ordering.shape[1]
    rows, columns = _candidate_pairs(counts, questions)
    pairs = list(zip(rows.tolist(), columns.tolist(), strict=True))
    has_logit = columns < learned
    finder = SpellingFinder(counts.spellings)
    best = []
    for field in (0, 1):
        strongest: dict[tuple[int, int], int] = {}
        for row, text in enumerate(questions.texts):
            for i in finder.find(text[field]) if text[field] else ():
                pair = (row, int(counts.tags[i]))
                if pair not in strongest or counts.share[field, i] > counts.share[field, strongest[pair]]:
                    strongest[pair] = i
        best.append(np.array([strongest.get(pair, -1) for pair in pairs]))
    is_named = [spelling >= 0 for spelling in best]
    return _Candidates(
        right=np.array([tag in questions.own[row] for row, tag in pairs], float),
        logit=np.where(has_logit, questions.ordering[rows, np.minimum(columns, learned - 1)], 0).astype(np.float64),
        has_logit=has_logit,
        kind=questions.kind[rows],
        inputs=[inputs[field][best[field]] * is_named[field][:, None] for field in (0, 1)],
        is_named=is_named,
    )


def _candidate_pairs(counts: SpellingCounts, questions: NameFitInput) -> tuple[Ints, Ints]:
    """Return (question, tag) pairs: each question's best tags, and those that a likely spelling names."""
    likely = np.flatnonzero((counts.share >= _LIKELY).any(axis=0))
    finder = SpellingFinder([counts.spellings[i] for i in likely])
    n = min(CANDIDATES, questions.ordering.shape[1])
    best = np.argpartition(-questions.ordering, n - 1, axis=1)[:, :n]
    pairs: set[tuple[int, int]] = set()
    for row, text in enumerate(questions.texts):
        pairs.update((row, tag) for tag in best[row].tolist())
        pairs.update((row, int(counts.tags[likely[i]])) for field in text if field for i in finder.find(field))
    rows, columns = np.array(sorted(pairs), np.int64).T
    return rows, columns
