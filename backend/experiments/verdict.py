"""Two arms compared by install: the difference with its interval, how many installs it takes, and the verdict.

Pure: arrays in, numbers out. A page that is always open tempts one to stop when the figures look good, which makes
chance a verdict. So the verdict is given once, at a horizon fixed beforehand; until then there is none.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.acceptance.intervals import student_quantile

Floats = npt.NDArray[np.float64]
VerdictWord = Literal["better", "worse", "no difference shown"]

# The share of wrong verdicts where there is no difference: a little less than the one in twenty that is promised, since
# the variance is an estimate and errs too. The share of differences of the announced size that are found.
ALPHA, POWER = 0.04, 0.8

# How many items or drafts of an install count at most. One writer of hundreds must not decide for all, and writers
# differ from each other more than from themselves.
MAX_ITEMS, MAX_DRAFTS = 20, 5

# How many installs that one address started on one day count at most: hundreds of them can be one person's. What they
# decide alone is not decided.
MAX_OF_CROWD = 5

# Fewer installs say too little of how much installs differ, which is then taken to be as much as it can be.
MIN_INSTALLS_TO_PLAN = 100
MAX_VARIANCE = 0.25

# A horizon is planned with the upper confidence limit of the variance (one-sided).
VARIANCE_CONFIDENCE = 0.95

# Arms with a p-value of their proportion below this are not comparable, whatever they show.
SAMPLE_RATIO_ALPHA = 0.001
# Installs expected in the smaller arm, below which chi-square does not hold.
SAMPLE_RATIO_MIN = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """What the installs of one arm did; one entry an install, all of shape ``(installs,)``.

    Attributes:
        hits: what is counted, as accepted items; at most ``trials``.
        trials: of how many, as viewed items; installs with 0 do not count.
        chances: of the install to get into this arm when it was drawn. While the share grows, early installs, who
            write more, get into the challenger's arm more seldom than late ones; by 1 / chance they count alike.
    """

    hits: Floats
    trials: Floats
    chances: Floats


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share of an arm: ``value`` 0..1, the ``variance`` of that value, and the ``installs`` it rests on."""

    value: float
    variance: float
    installs: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """Bounds at 95 % within 0..1; None for a single install."""
        if self.installs < 2:
            return None
        margin = student_quantile(self.installs - 1) * math.sqrt(self.variance)
        return max(0.0, self.value - margin), min(1.0, self.value + margin)


@dataclass(frozen=True, slots=True)
class RateDifference:
    """Challenger less champion, within -1..1, with bounds at 96 %, that is ``1 - ALPHA``."""

    value: float
    low: float
    high: float

    @property
    def word(self) -> VerdictWord:
        """What it says of the challenger, if one looks once."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no difference shown"


def weigh_installs(sample: Sample, most: float) -> tuple[Floats, Floats]:
    """Return hits and trials of installs that have any, each scaled down to ``most`` trials and up by its chance."""
    has_trials = sample.trials > 0
    hits, trials, chances = sample.hits[has_trials], sample.trials[has_trials], sample.chances[has_trials]
    weights = np.minimum(1.0, most / trials) / chances
    return hits * weights, trials * weights


def estimate_share(sample: Sample, most: float) -> Estimate | None:
    """Return the share of an arm, hits of trials, each install weighing its trials, but at most ``most``.

    The variance is that of a ratio of two means over installs (delta method), so that it holds however much the
    items of one install resemble each other, with each install's influence on the value taken out (jackknife, HC3).

    Source: W. G. Cochran, Sampling Techniques (1977), ch. 6; A. Deng, U. Knoblich, J. Lu, "Applying the delta method
    in metric analytics", KDD 2018; J. G. MacKinnon and H. White, Journal of Econometrics 29 (1985), 305-325.

    Returns:
        None without an install that has trials.
    """
    hits, trials = weigh_installs(sample, most)
    total = trials.sum()
    if not total:
        return None
    value = float(hits.sum() / total)
    if len(hits) == 1:
        return Estimate(value, MAX_VARIANCE, 1)
    return Estimate(value, float(np.square(_influences(hits, trials)).sum()), len(hits))


def _influences(hits: Floats, trials: Floats) -> Floats:
    """Return by how much each install moves the share: the share with it less the share without it."""
    total = trials.sum()
    influences: Floats = (hits - hits.sum() / total * trials) / (total - trials)
    return influences


def estimate_difference(champion: Estimate, challenger: Estimate) -> RateDifference | None:
    """Return challenger less champion with Student's interval; None where an arm has fewer than two installs.

    Source: B. L. Welch, Biometrika 34 (1947), 28-35, for the degrees of freedom.
    """
    if min(champion.installs, challenger.installs) < 2:
        return None
    value, variance = challenger.value - champion.value, challenger.variance + champion.variance
    if not variance:
        return RateDifference(value, value, value)
    degrees_of_freedom = variance**2 / sum(arm.variance**2 / (arm.installs - 1) for arm in (champion, challenger))
    margin = student_quantile(max(1, math.floor(degrees_of_freedom)), 1 - ALPHA / 2) * math.sqrt(variance)
    return RateDifference(value, max(-1.0, value - margin), min(1.0, value + margin))


def planning_variance(sample: Sample, most: float) -> float:
    """Return how much one install's part in the share varies: the variance of a share over n installs is this / n.

    It is the upper limit of the estimate: half of all horizons planned with the estimate itself would be too near.

    Source: R. H. Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14
    (1995), 1933-1940; for variances of values that are not normal, by their kurtosis.
    """
    hits, trials = weigh_installs(sample, most)
    n = len(hits)
    if n < MIN_INSTALLS_TO_PLAN:
        return MAX_VARIANCE
    parts = np.square(n * _influences(hits, trials))
    variance = float(parts.mean())
    standard_error = float(parts.std()) / math.sqrt(n)
    return variance + NormalDist().inv_cdf(VARIANCE_CONFIDENCE) * standard_error


def required_installs(variance: float, smallest_difference: float, share: float) -> int:
    """Return how many installs with a viewed item, of both arms together, it takes to find a difference of this size.

    Two-sided at ``ALPHA``, with probability ``POWER``.

    Args:
        variance: see `planning_variance`.
        smallest_difference: the smallest of interest, as a share: .02 for two points.
        share: of the installs that get the challenger, between 0 and 1.

    Raises:
        ValueError: share or difference are not between 0 and 1.
    """
    if not 0 < share < 1 or not 0 < smallest_difference < 1:
        raise ValueError("share and smallest difference must be between 0 and 1")
    quantiles = NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER)
    return math.ceil(quantiles**2 * variance * (1 / share + 1 / (1 - share)) / smallest_difference**2)


def sample_ratio_p_value(in_challenger: npt.NDArray[np.bool_], shares: Floats) -> float | None:
    """Return the probability of arms so far out of proportion by chance alone; None while there are too few installs.

    Args:
        in_challenger: whether each exposed install is in the challenger's arm.
        shares: the challenger's share when each install was drawn.

    Source: chi-square with one degree of freedom; A. Fabijan et al., "Diagnosing sample ratio mismatch in online
    controlled experiments", KDD 2019.
    """
    expected, variance = float(shares.sum()), float((shares * (1 - shares)).sum())
    if min(expected, len(shares) - expected) < SAMPLE_RATIO_MIN:
        return None
    return math.erfc(abs(float(in_challenger.sum()) - expected) / math.sqrt(2 * variance))


def describe_progress(installs: int, horizon: int) -> str:
    """Return how far an experiment is: ``not enough yet: 1,204 of 3,762 installs``."""
    return f"not enough yet: {installs:,} of {horizon:,} installs"
