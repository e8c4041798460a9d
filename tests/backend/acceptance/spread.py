"""Intervals clustered by writer, worked out the slow way: matrices over writers, in plain Python.

Nothing here is shared with the code under test. It writes out the covariance of the writers' residuals entry by entry,
where the code knows only sums of powers.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from scipy.optimize import brentq
from scipy.stats import t as student


@dataclass(frozen=True)
class Done:
    """What one writer did: a value added up over n items or drafts, and the sum of the squared values."""

    x: float
    n: float
    squares: float


@dataclass(frozen=True)
class Estimate:
    share: float
    variance: float
    freedom: float
    correction: float
    low: float
    high: float


def estimate(writers: Mapping[Any, Done], confidence: float = 0.95) -> Estimate | None:
    """Return a share and its interval; None where fewer than five effective writers stand behind it."""
    rows = [row for row in writers.values() if row.n]
    if len(rows) < 5:
        return None
    n = [row.n for row in rows]
    total = sum(n)
    share = sum(row.x for row in rows) / total
    squares = sum((row.x - share * row.n) ** 2 for row in rows)
    spread_of_one = sum(row.squares for row in rows) / total - share**2

    def covariance(v: list[float]) -> list[list[float]]:
        """Return that of the residuals, (I - H) diag(v) (I - H)', where the share takes n_i / total of each x."""
        reduced = [[(i == j) - n[i] / total for j in range(len(n))] for i in range(len(n))]
        return [
            [sum(reduced[i][k] * v[k] * reduced[j][k] for k in range(len(n))) for j in range(len(n))]
            for i in range(len(n))
        ]

    def trace(matrix: list[list[float]]) -> float:
        return sum(row[i] for i, row in enumerate(matrix))

    alike, unrelated = trace(covariance([one**2 for one in n])), trace(covariance(n))
    rho = 1.0
    if spread_of_one > 1e-12 and alike > unrelated + 1e-9:
        rho = (squares / spread_of_one - unrelated) / (alike - unrelated)
    rho = min(1.0, max(0.02, rho))
    v = [rho * one**2 + (1 - rho) * one for one in n]
    matrix = covariance(v)
    freedom = trace(matrix) ** 2 / sum(value**2 for row in matrix for value in row)
    if freedom < 4 - 1e-6:
        return None
    correction = sum(v) / trace(matrix)
    variance = squares * correction / total**2
    quantile = student.ppf((1 + confidence) / 2, freedom)
    if 0 < share < 1 and squares > 1e-12:
        size = share * (1 - share) / variance
    else:
        size = total**2 / sum(0.25 * one**2 + 0.75 * one for one in n)
    return Estimate(share, variance, freedom, correction, *score_bounds(share, size, quantile))


def score_bounds(share: float, size: float, quantile: float) -> tuple[float, float]:
    """Return the shares that differ from the estimate by ``quantile`` of their own standard errors."""

    def far(bound: float) -> float:
        return abs(share - bound) - quantile * math.sqrt(bound * (1 - bound) / size)

    # At the share itself the difference is 0 where that has no standard error.
    low = 0.0 if share <= 0 else brentq(far, 0.0, share - 1e-9, xtol=1e-14)
    high = 1.0 if share >= 1 else brentq(far, share + 1e-9, 1.0, xtol=1e-14)
    return low, high
