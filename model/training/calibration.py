"""Calibrated scores, and the rule for which tags are worth showing; both fitted on the tune part."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from model.runs.arrays import Floats, Ints
from model.serving.decision import Decision

CANDIDATES: Final = 10
"""Best tags of a question that calibration looks at: no more are ever shown."""
BANDS: Final = (100, 1_000)
"""Uses of a tag that separate the bands of calibration: rare, middling, common."""
MIN_ANSWERS: Final = 50
"""Right answers, and wrong ones, that a fit needs at least."""
CHIPS: Final = 5
"""Most tags that are shown at once: Stack Overflow allows five."""
MIN_FIRST_SCORE: Final = 0.25
"""Lowest score of the best tag at which chips are shown: one in four is right. Below it, they distract."""
OWN_TRIED: Final = tuple(round(1 + 0.2 * i, 1) for i in range(16))
"""Numbers of a question's tags to try for the decision: 1 to 4."""
KNOTS: Final = (-3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
"""Where the curve from Platt's logit to the final one may bend."""
_INFINITE: Final = 1e6
_MIN_RISE: Final = 0.05
"""Lowest slope of the curve: a flat or falling one would reverse the order of tags."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """From logits to scores, separately for drafts without (row 0) and with (row 1) a known word in the body.

    First Platt scaling (Platt 1999) by band of frequency: ``slope``, ``offset`` [2, tags]; by it tags are ordered.
    Then one rising curve of straight pieces between ``KNOTS`` for all tags: ``rise`` [2, KNOTS + 1], ``start`` [2].
    A draft with a body has larger logits, which are overconfident at their upper end.
    """

    slope: Floats
    offset: Floats
    rise: Floats
    start: Floats

    def pad(self, more: int) -> "Calibration":
        """Return the same for ``more`` tags after the others, whose logits need no scaling."""
        slope = np.hstack([self.slope, np.ones((2, more), np.float32)])
        offset = np.hstack([self.offset, np.zeros((2, more), np.float32)])
        return replace(self, slope=slope, offset=offset)

    def order(self, logits: Floats, kind: Ints) -> Floats:
        """Return what orders the tags of drafts of a kind: logits [questions, tags] after Platt scaling."""
        return np.asarray(logits * self.slope[kind] + self.offset[kind], np.float32)

    def scores(self, ordering: Floats, kind: Ints) -> Floats:
        """Return the scores, 0..1, of what ``order`` returned."""
        curve = (_pieces(ordering) * self.rise[kind][:, None, :]).sum(axis=-1) + self.start[kind][:, None]
        return np.asarray(expit(curve), np.float32)


def knots_and_ends() -> tuple[Floats, Floats, Floats]:
    """Return where each piece of the curve begins, and the least and most that it can add: [KNOTS + 1]."""
    begin = np.array([KNOTS[0], *KNOTS], np.float32)
    least = np.array([-_INFINITE, *[0] * len(KNOTS)], np.float32)
    most = np.array([0, *np.diff(KNOTS), _INFINITE], np.float32)
    return begin, least, most


def _pieces(ordering: Floats) -> Floats:
    begin, least, most = knots_and_ends()
    return np.asarray(np.clip(ordering[..., None] - begin, least, most), np.float32)


def best_first(values: Floats, n: int) -> Ints:
    """Return the columns of each row's ``n`` largest values, largest first: [rows, n]."""
    n = min(n, values.shape[1])
    best = np.argpartition(-values, n - 1, axis=1)[:, :n]
    order = np.argsort(-np.take_along_axis(values, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def fit_order(
    logits: Floats,
    right: NDArray[np.bool_],
    tags: Ints,
    kind: Ints,
    uses: Ints,
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
        # A band with few answers of either sort takes the fit over all.
        enough = min(right[inside].sum(), (~right[inside]).sum()) >= MIN_ANSWERS
        slope[k, band == i], offset[k, band == i] = _platt(logits[inside], right[inside]) if enough else shared
    straight = np.ones((2, len(KNOTS) + 1), np.float32)
    return Calibration(slope, offset, straight, np.full(2, KNOTS[0], np.float32))


def fit_curve(calibration: Calibration, ordering: Floats, right: NDArray[np.bool_], kind: Ints) -> Calibration:
    """Fit the curve by kind on the candidates, given what orders them, [questions, CANDIDATES]."""
    rise, start = calibration.rise.copy(), calibration.start.copy()
    for k in (0, 1):
        answers = right[kind == k].ravel()
        if min(answers.sum(), (~answers).sum()) >= MIN_ANSWERS:
            fitted = _fit_logistic(
                _pieces(ordering[kind == k]).reshape(len(answers), -1),
                answers,
                np.array([*rise[k], start[k]]),
                [(_MIN_RISE, 10.0)] * rise.shape[1] + [(-20.0, 20.0)],
            )
            rise[k], start[k] = fitted[:-1], fitted[-1]
    return replace(calibration, rise=rise, start=start)


def _platt(logits: Floats, right: NDArray[np.bool_]) -> tuple[float, float]:
    """Fit sigmoid(slope · logit + offset) to answers."""
    if right.all() or not right.any():
        return 1.0, 0.0
    # A slope of 0 or less would reverse the order of tags.
    slope, offset = _fit_logistic(logits[:, None], right, np.array([1.0, 0.0]), [(_MIN_RISE, 10), (-20, 20)])
    return float(slope), float(offset)


def _fit_logistic(
    columns: Floats, right: NDArray[np.bool_], first: NDArray[np.float64], bounds: list[tuple[float, float]]
) -> NDArray[np.float64]:
    """Fit sigmoid(columns · w + w[-1]) within bounds, with Platt's targets that leave room for doubt."""
    yes, no = int(right.sum()), int((~right).sum())
    target = np.where(right, (yes + 1) / (yes + 2), 1 / (no + 2))
    x = np.column_stack([columns.astype(np.float64), np.ones(len(columns))])

    def loss(w: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        s = x @ w
        return float(np.mean(np.logaddexp(0, s) - target * s)), x.T @ (expit(s) - target) / len(s)

    result = minimize(loss, first, jac=True, method="L-BFGS-B", bounds=bounds)
    return np.asarray(result.x, np.float64)


def fit_decision(scores: Floats, right: NDArray[np.bool_], posted: Ints) -> Decision:
    """Return the rule with the best Jaccard, mean over the questions.

    Args:
        scores: calibrated, best first, [questions, at least CHIPS].
        right: whether the tag is one of the question's, same shape.
        posted: how many tags each question has, [questions].
    """

    def jaccard(decision: Decision) -> float:
        shown = np.array([decision.count_confident(row) for row in scores.tolist()])
        hits = np.array([row[:n].sum() for row, n in zip(right, shown, strict=True)])
        return float(np.mean(hits / (shown + posted - hits)))

    return max((Decision(own, MIN_FIRST_SCORE, CHIPS) for own in OWN_TRIED), key=jaccard)


def describe(calibration: Calibration, uses: Ints) -> dict[str, object]:
    """Return a calibration for the manifest: Platt scaling by band of frequency, the curve's knots and rises."""
    band = np.searchsorted(BANDS, uses, side="right")
    description: dict[str, object] = {"knots": list(KNOTS)}
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
        description[name] = {"bands": bands, "rise": rise, "start": round(float(calibration.start[k]), 4)}
    return description
