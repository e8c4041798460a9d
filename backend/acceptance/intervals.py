"""95 % intervals of shares and means, so that no figure is shown without its uncertainty."""

import math
from statistics import NormalDist

CONFIDENCE = 0.95

# Two-sided: half of the remainder lies on each side.
QUANTILE = (1 + CONFIDENCE) / 2
Z = NormalDist().inv_cdf(QUANTILE)


def wilson_interval(k: float, n: float, quantile: float = Z) -> tuple[float, float] | None:
    """Return the score interval of a share of ``k`` in ``n``; None where nothing was counted.

    Unlike the textbook's p ± z·s it stays within 0..1 and does not collapse at 0 or ``n`` hits.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    JASA 22 (1927), 209-212; recommended by Brown, Cai, DasGupta, Statistical Science 16 (2001), 101-133.

    Args:
        k: hits, 0 ≤ k ≤ n.
        n: trials, at least 0.
        quantile: of the standardised estimate, by default the normal one of 97.5 %.

    Raises:
        ValueError: more hits than trials, or negative ones.
    """
    if not 0 <= k <= n:
        raise ValueError(f"{k} of {n} is not a share")
    if n == 0:
        return None
    share = k / n
    scale = 1 + quantile**2 / n
    centre = (share + quantile**2 / (2 * n)) / scale
    half = quantile * math.sqrt(share * (1 - share) / n + quantile**2 / (4 * n**2)) / scale
    # At the ends one bound is exact; rounding must not move it off.
    low = 0.0 if k == 0 else max(0.0, centre - half)
    high = 1.0 if k == n else min(1.0, centre + half)
    return low, high


def student_quantile(degrees_of_freedom: float, quantile: float = QUANTILE) -> float:
    """Return a quantile of Student's t, by default that of 97.5 %.

    It is exact for 1 and 2 degrees of freedom, else within 0.2 % up to the quantile of 98 %.

    Source: Cornish-Fisher expansion in 1/degrees of freedom, Abramowitz and Stegun, Handbook of Mathematical
    Functions (1964), 26.7.5; the closed forms for 1 and 2 are textbook.

    Args:
        degrees_of_freedom: at least 1.
        quantile: between 0.5 and 1.
    """
    if degrees_of_freedom == 1:
        return math.tan(math.pi * (quantile - 0.5))
    if degrees_of_freedom == 2:
        return (2 * quantile - 1) * math.sqrt(2 / (4 * quantile * (1 - quantile)))
    z = NormalDist().inv_cdf(quantile)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / degrees_of_freedom**power for power, term in enumerate(terms, start=1))


Bounds = tuple[float, float]


def difference_interval(a: float, a_bounds: Bounds, b: float, b_bounds: Bounds, correlation: float = 0.0) -> Bounds:
    """Return the interval of ``a - b``, two estimates, from the interval of each; within -1..1.

    Source: G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Statistics in
    Medicine 27 (2008), 1693-1702; with Wilson's intervals and without correlation it is method 10 of R. G. Newcombe,
    Statistics in Medicine 17 (1998), 873-890.

    Args:
        a, b: the estimates, 0..1.
        a_bounds, b_bounds: their intervals, each around its estimate.
        correlation: of the two estimates, -1..1.
    """
    difference = a - b
    below = _combine(a - a_bounds[0], b_bounds[1] - b, correlation)
    above = _combine(a_bounds[1] - a, b - b_bounds[0], correlation)
    return max(-1.0, difference - below), min(1.0, difference + above)


def _combine(a: float, b: float, correlation: float) -> float:
    """Return the margin of a difference of two estimates with these margins."""
    return math.sqrt(max(0.0, a**2 + b**2 - 2 * correlation * a * b))
