"""How sure a share is, given what each writer did: intervals and changes clustered by install.

Items of one writer resemble each other, and writers differ in how much they write. So a share is taken for what it is,
a ratio of two sums over writers, and its variance for that of such a ratio. All of it comes from sums of powers over
writers, which add up where no writer is in both parts and name nobody. ``python -m tools.coverage`` shows in simulated
months how often the intervals hold the truth; its table is in docs/counting.md.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from operator import add
from typing import Any

import numpy as np
import numpy.typing as npt

from backend.acceptance.intervals import Bounds, difference_interval, student_quantile, wilson_interval

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Pair = tuple[str, str]
"""The names of two counts, x of n."""

CONFIDENCE = 0.95
"""Of the interval of a figure."""

CHANGE_CONFIDENCE = 0.97
"""Of the interval of a change: the variance is an estimate and errs too, and one in twenty is a promise."""

MIN_EFFECTIVE_WRITERS = 5.0
"""Fewer tell too little of how much writers differ: see the table in docs/counting.md."""

# How much a writer's items resemble each other, of 0..1: the least that is believed of an estimate, and what is assumed
# where all items came out alike and there is none.
LEAST_CORRELATION, ASSUMED_CORRELATION = 0.02, 0.25


@dataclass(frozen=True, slots=True)
class WriterSums:
    """Sums over writers of what each did, x of n: accepted of viewed items, or a value added up over n drafts.

    Attributes:
        writers: how many have any n.
        x, n: the sums of both.
        squares: the sum over single items or drafts of their squared values; equals x where a value is 0 or 1.
        xx, xn: the sums of x², x·n.
        n2, …, n5: the sums of n², …, n⁵.
        months: how many of the parts added up are months whose writers could not be told from those of other parts,
            and are taken as others.
    """

    writers: int
    x: float
    n: float
    squares: float
    xx: float
    xn: float
    n2: float
    n3: float
    n4: float
    n5: float
    months: int = 0

    def __add__(self, other: "WriterSums") -> "WriterSums":
        """Return the sums over two groups of writers that have none in common."""
        return WriterSums(*map(add, self.to_list(), other.to_list()))

    def to_list(self) -> list[Any]:
        """Return the sums in the order of the fields."""
        return [getattr(self, name) for name in _NAMES]


_NAMES = tuple(field.name for field in fields(WriterSums))


@dataclass(frozen=True, slots=True)
class PairSums:
    """Sums over writers of products of what each did in two periods: x₁·x₂, x₁·n₂, n₁·x₂ and n₁·n₂."""

    xx: float
    xn: float
    nx: float
    nn: float


STRANGERS = PairSums(0.0, 0.0, 0.0, 0.0)
"""The products where no writer is known to be in both periods."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How much a share varies from one set of writers to another.

    Attributes:
        variance: of the share.
        effective_writers: how many equally busy writers would tell as much about that variance.
        correction: by how much the squares of the writers' residuals are too small.
    """

    variance: float
    effective_writers: float
    correction: float


def sum_over_writers(x: Floats, n: Floats, squares: float | None = None) -> WriterSums:
    """Return the sums over writers; arrays ``(writers,)``, ``squares`` by default those of values of 0 and 1."""
    (row,) = sum_by_key(np.zeros(len(n), dtype=np.int64), 1, {"x": x, "n": n}, [("x", "n")])[("x", "n")]
    return row if squares is None else replace(row, squares=squares)


def sum_by_key(
    keys: Integers, n_keys: int, counts: Mapping[str, Floats], pairs: Sequence[Pair]
) -> dict[Pair, list[WriterSums]]:
    """Return, for each pair of counts x and n, the sums over writers of each of ``n_keys`` keys.

    Args:
        keys: of each entry, from 0; an entry is what one writer did of one key. Shape ``(entries,)``.
        n_keys: how many keys there are.
        counts: by name, of the same shape.
        pairs: names of x and n.
    """

    def add_up(values: Floats) -> list[float]:
        sums: list[float] = np.bincount(keys, weights=values, minlength=n_keys).tolist()
        return sums

    powers: dict[str, list[list[float]]] = {}
    sums_by_pair = {}
    for pair in pairs:
        x, n = counts[pair[0]], counts[pair[1]]
        if pair[1] not in powers:
            square = n * n
            powers[pair[1]] = [
                add_up(term) for term in (np.sign(n), n, square, square * n, square * square, square * square * n)
            ]
        writers, first, *higher = powers[pair[1]]
        total = add_up(x)
        rows = zip(writers, total, first, total, add_up(x * x), add_up(x * n), *higher, strict=True)
        sums_by_pair[pair] = [WriterSums(int(row[0]), *row[1:]) for row in rows]
    return sums_by_pair


def sum_products(x: tuple[Floats, Floats], n: tuple[Floats, Floats]) -> PairSums:
    """Return the products over two periods; arrays ``(writers,)``, the same writer at the same place in all."""
    return PairSums(*(float(a @ b) for a, b in ((x[0], x[1]), (x[0], n[1]), (n[0], x[1]), (n[0], n[1]))))


def measure_spread(sums: WriterSums) -> Spread:
    """Return how much a share varies between sets of writers.

    The variance is that of a ratio of two sums over writers, from the squares of the residuals x - share · n. These are
    too small, since the share is drawn to the busiest writers, and they are few: both the correction and the degrees of
    freedom follow from a model in which a writer's x varies by r·n² + (1 - r)·n, with r estimated.

    Source: W. G. Cochran, Sampling Techniques (1977), ch. 6, for the ratio; R. M. Bell and D. F. McCaffrey, "Bias
    reduction in standard errors for linear regression with multi-stage samples", Survey Methodology 28 (2002),
    169-181, for correction and degrees of freedom; G. W. Imbens and M. Kolesár, "Robust standard errors in small
    samples", Review of Economics and Statistics 98 (2016), 701-712, for the model with r.

    Args:
        sums: with at least two writers.
    """
    n, n2, n3, n4, n5 = sums.n, sums.n2, sums.n3, sums.n4, sums.n5
    share = sums.x / n
    residuals = max(0.0, sums.xx - 2 * share * sums.xn + share**2 * n2)
    spread_of_one = sums.squares / n - share**2
    # What the squares are expected to add up to: if all items of a writer are alike, and if they are unrelated.
    alike, unrelated = n2 - 2 * n3 / n + n2**2 / n**2, n - n2 / n
    rho = 1.0
    if spread_of_one > 0 and alike > unrelated:
        rho = (residuals / spread_of_one - unrelated) / (alike - unrelated)
    a = min(1.0, max(LEAST_CORRELATION, rho))
    b = 1 - a
    # With v = a·n² + b·n: the sums of v, n·v, n²·v, v² and n·v² over writers.
    v, nv, n2v = a * n2 + b * n, a * n3 + b * n2, a * n4 + b * n3
    vv = a * a * n4 + 2 * a * b * n3 + b * b * n2
    nvv = a * a * n5 + 2 * a * b * n4 + b * b * n3
    c = v / n**2
    # Trace of the residuals' covariance matrix, and of its square.
    trace = v - 2 * nv / n + n2 * c
    trace_of_square = (
        *(vv, -4 * nvv / n, 2 * c * n2v),
        *(2 * (n2 * vv + nv**2) / n**2, -4 * c * n2 * nv / n, c**2 * n2**2),
    )
    if trace <= 0:
        return Spread(math.inf, 1.0, 1.0)
    correction = v / trace
    freedom = trace**2 / max(math.fsum(trace_of_square), trace**2 / sums.writers)
    return Spread(residuals * correction / n**2, 1 + freedom, correction)


@lru_cache(maxsize=4096)
def clustered_interval(sums: WriterSums, confidence: float = CONFIDENCE) -> Bounds | None:
    """Return the bounds of a share within 0..1; None where too few writers stand behind it.

    It is Wilson's interval of as many independent items as would vary as much, with Student's quantile.

    Source: E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number of positive
    counts estimated from survey data", Survey Methodology 24 (1998), 193-201, for the effective sample size.
    """
    # Fewer writers are never more effective ones.
    if sums.writers < MIN_EFFECTIVE_WRITERS:
        return None
    spread = measure_spread(sums)
    # Five writers of one item each are five, but for rounding.
    if spread.effective_writers < MIN_EFFECTIVE_WRITERS - 1e-6:
        return None
    quantile = student_quantile(spread.effective_writers - 1, (1 + confidence) / 2)
    share = min(1.0, max(0.0, sums.x / sums.n))
    if spread.variance > 0 and 0 < share < 1:
        size = share * (1 - share) / spread.variance
    else:
        # All came out alike, which shows nothing of how much writers differ.
        size = sums.n**2 / (ASSUMED_CORRELATION * sums.n2 + (1 - ASSUMED_CORRELATION) * sums.n)
    return wilson_interval(share * size, size, quantile)


def clustered_change(
    now: WriterSums, before: WriterSums, pairs: PairSums = STRANGERS, confidence: float = CHANGE_CONFIDENCE
) -> Bounds | None:
    """Return the bounds of the change of a share from one period to another; None where either has too few writers.

    Args:
        now, before: the sums over the writers of both periods.
        pairs: the products of those who wrote in both, whose share tends to stay what it was.
        confidence: that the interval holds the truth.
    """
    bounds, bounds_before = clustered_interval(now, confidence), clustered_interval(before, confidence)
    if bounds is None or bounds_before is None:
        return None
    share, share_before = now.x / now.n, before.x / before.n
    spread, spread_before = measure_spread(now), measure_spread(before)
    residuals = pairs.xx - share_before * pairs.xn - share * pairs.nx + share * share_before * pairs.nn
    covariance = residuals / (now.n * before.n) * math.sqrt(spread.correction * spread_before.correction)
    scale = math.sqrt(spread.variance * spread_before.variance)
    correlation = min(1.0, max(-1.0, covariance / scale)) if scale > 0 else 0.0
    return difference_interval(share, bounds, share_before, bounds_before, correlation)
