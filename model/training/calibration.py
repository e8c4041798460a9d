"""Scores that mean what they say, and the rule for which tags are worth showing; both fitted on the tune part."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from model.runs.arrays import Floats
from model.serving.decision import Decision

CANDIDATES: Final = 10
"""Best tags of a question that calibration looks at: what is ever shown."""
BANDS: Final = (100, 1_000)
"""Uses of a tag that part the bands of calibration: rare, middling, common."""
ENOUGH: Final = 50
"""Right and wrong answers, each, that a fit needs."""
CHIPS: Final = 5
"""Most tags that are shown at once: Stack Overflow allows five."""
FIRST_LEAST: Final = 0.25
"""Least score of a single chip: one in four is right. Below it, a writer is better left alone."""
OWN_TRIED: Final = tuple(round(1 + 0.2 * i, 1) for i in range(16))
"""Tags of a question that the decision is tried with: 1 to 4."""
KNOTS: Final = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
"""Where the curve from Platt's logit to the final one may bend."""
_FAR: Final = 1e6
_LEAST_RISE: Final = 0.05
"""Least rise of the curve: a flat or falling one would turn the order of tags around."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """From logits to scores, apart for drafts without (row 0) and with (row 1) a known word in the body.

    First Platt scaling (Platt 1999) by band of frequency: ``slope``, ``offset`` [2, tags]; by it tags are ordered.
    Then one rising curve of straight pieces between ``KNOTS`` for all tags: ``rise`` [2, KNOTS + 1], ``start`` [2].
    A draft with a body has larger logits, which promise too much at their upper end.
    """

    slope: Floats
    offset: Floats
    rise: Floats
    start: Floats

    def padded(self, more: int) -> "Calibration":
        """Give the same for ``more`` tags after the others, whose logits need no scaling."""
        straight = (np.ones((2, more), np.float32), np.zeros((2, more), np.float32))
        slope, offset = (np.hstack(of) for of in zip((self.slope, self.offset), straight, strict=True))
        return replace(self, slope=slope, offset=offset)

    def order(self, logits: Floats, kind: NDArray[np.int64]) -> Floats:
        """Give what orders the tags of drafts of a kind: logits [questions, tags] after Platt scaling."""
        return np.asarray(logits * self.slope[kind] + self.offset[kind], np.float32)

    def scores(self, ordering: Floats, kind: NDArray[np.int64]) -> Floats:
        """Turn what ``order`` gives into scores 0..1."""
        curve = (_pieces(ordering) * self.rise[kind][:, None, :]).sum(axis=-1) + self.start[kind][:, None]
        return np.asarray(expit(curve), np.float32)


def knots_and_ends() -> tuple[Floats, Floats, Floats]:
    """Give where each piece of the curve begins to count, and the least and most that it can count: [KNOTS + 1]."""
    begin = np.array([KNOTS[0], *KNOTS], np.float32)
    least = np.array([-_FAR, *[0] * len(KNOTS)], np.float32)
    most = np.array([0, *np.diff(KNOTS), _FAR], np.float32)
    return begin, least, most


def _pieces(ordering: Floats) -> Floats:
    begin, least, most = knots_and_ends()
    return np.asarray(np.clip(ordering[..., None] - begin, least, most), np.float32)


def best_first(values: Floats, n: int) -> NDArray[np.int64]:
    """Give the numbers of each row's ``n`` largest values, largest first: [rows, n]."""
    n = min(n, values.shape[1])
    best = np.argpartition(-values, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(values, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def fit_order(
    logits: Floats,
    right: NDArray[np.bool_],
    tags: NDArray[np.int64],
    kind: NDArray[np.int64],
    uses: NDArray[np.int64],
) -> Calibration:
    """Fit Platt scaling by kind and band on the candidates of the tune part; the curve is still straight.

    Args:
        logits: of each question's best tags, [questions, CANDIDATES].
        right: whether the tag is one of the question's, same shape.
        tags: the tags' numbers, same shape.
        kind: 0 without, 1 with a known word in the body, [questions].
        uses: of every tag of the vocabulary, [tags].
    """
    slope, offset = np.ones((2, len(uses)), np.float32), np.zeros((2, len(uses)), np.float32)
    band = np.searchsorted(BANDS, uses, side="right")
    shared = _platt(logits.ravel(), right.ravel())
    for k, i in np.ndindex(2, len(BANDS) + 1):
        inside = (band[tags] == i) & (kind == k)[:, None]
        # A band with few answers of either sort takes what all have in common.
        enough = min(right[inside].sum(), (~right[inside]).sum()) >= ENOUGH
        slope[k, band == i], offset[k, band == i] = _platt(logits[inside], right[inside]) if enough else shared
    straight = np.ones((2, len(KNOTS) + 1), np.float32)
    return Calibration(slope, offset, straight, np.full(2, KNOTS[0], np.float32))


def fit_curve(
    calibration: Calibration, ordering: Floats, right: NDArray[np.bool_], kind: NDArray[np.int64]
) -> Calibration:
    """Fit the curve by kind on the candidates, given what orders them, [questions, CANDIDATES]."""
    rise, start = calibration.rise.copy(), calibration.start.copy()
    for k in (0, 1):
        answers = right[kind == k].ravel()
        if min(answers.sum(), (~answers).sum()) >= ENOUGH:
            found = _fitted(
                _pieces(ordering[kind == k]).reshape(len(answers), -1),
                answers,
                np.array([*rise[k], start[k]]),
                [(_LEAST_RISE, 10.0)] * rise.shape[1] + [(-20.0, 20.0)],
            )
            rise[k], start[k] = found[:-1], found[-1]
    return replace(calibration, rise=rise, start=start)


def _platt(logits: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit sigmoid(slope · logit + offset) to answers."""
    if right.all() or not right.any():
        return 1.0, 0.0
    # A slope of 0 or less would turn the order of tags around.
    slope, offset = _fitted(logits[:, None], right, np.array([1.0, 0.0]), [(_LEAST_RISE, 10), (-20, 20)])
    return float(slope), float(offset)


def _fitted(
    columns: Floats, right: NDArray[np.bool_], first: NDArray[np.float64], bounds: list[tuple[float, float]]
) -> NDArray[np.float64]:
    """Fit sigmoid(columns · w + w[-1]) within bounds, with Platt's targets that leave room for doubt."""
    yes, no = int(right.sum()), int((~right).sum())
    goal = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    x = np.column_stack([columns.astype(np.float64), np.ones(len(columns))])

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        s = x @ w
        return float(np.mean(np.logaddexp(0, s) - goal * s)), x.T @ (expit(s) - goal) / len(s)

    found = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(found.x, np.float64)


def choose_decision(scores: Floats, right: NDArray[np.bool_], posted: NDArray[np.int64]) -> Decision:
    """Choose the rule with the best Jaccard, mean over the questions.

    Args:
        scores: calibrated, best first, [questions, at least CHIPS].
        right: whether the tag is one of the question's, same shape.
        posted: how many tags each question has, [questions].
    """

    def jaccard(decision: Decision) -> float:
        shown = np.array([decision.count_confident(row) for row in scores.tolist()])
        hits = np.array([row[:n].sum() for row, n in zip(right, shown, strict=True)])
        return float(np.mean(hits / (shown + posted - hits)))

    return max((Decision(own, FIRST_LEAST, CHIPS) for own in OWN_TRIED), key=jaccard)


def described(calibration: Calibration, uses: NDArray[np.int64]) -> dict[str, object]:
    """Describe a calibration for the manifest: Platt scaling by band of frequency, the curve's knots and rises."""
    band = np.searchsorted(BANDS, uses, side="right")
    described: dict[str, object] = {"knots": list(KNOTS)}
    for k, name in enumerate(("title only", "with a body")):
        bands = [
            {
                "uses_from": (0, *BANDS)[i],
                "slope": round(float(calibration.slope[k, band == i][0]), 4),
                "offset": round(float(calibration.offset[k, band == i][0]), 4),
            }
            for i in range(len(BANDS) + 1)
            if (band == i).any()
        ]
        rise = [round(float(value), 4) for value in calibration.rise[k]]
        described[name] = {"bands": bands, "rise": rise, "start": round(float(calibration.start[k]), 4)}
    return described
