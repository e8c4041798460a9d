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
from backend.experiments.strata import MAX_VARIANCE, ArmShare, Floats, Sample, share_by_arm

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

# A horizon is planned with the upper confidence limit of the variance (one-sided).
VARIANCE_CONFIDENCE = 0.95

# Arms with a p-value of their proportion below this are not comparable, whatever they show. Looked at once, with the
# verdict; with the guardrails', which look again and again, it adds up to one harmless experiment in a hundred.
SAMPLE_RATIO_ALPHA = 0.005
# Installs expected in the smaller arm, below which chi-square does not hold.
SAMPLE_RATIO_MIN = 5
# The share of losses of the size that the page names which are seen.
LOSS_POWER = 0.9


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


def make_estimate(arm: ArmShare | None) -> Estimate | None:
    """Return the estimate of an arm's share; None without one."""
    return None if arm is None else Estimate(arm.value, arm.variance, arm.installs)


def estimate_difference(champion: Estimate, challenger: Estimate) -> RateDifference:
    """Return challenger less champion with Student's interval; each arm has at least two installs.

    Source: B. L. Welch, Biometrika 34 (1947), 28-35, for the degrees of freedom.
    """
    value, variance = challenger.value - champion.value, challenger.variance + champion.variance
    if not variance:
        return RateDifference(value, value, value)
    degrees_of_freedom = variance**2 / sum(arm.variance**2 / (arm.installs - 1) for arm in (champion, challenger))
    margin = student_quantile(max(1, math.floor(degrees_of_freedom)), 1 - ALPHA / 2) * math.sqrt(variance)
    return RateDifference(value, max(-1.0, value - margin), min(1.0, value + margin))


def planning_variance(hits: Floats, trials: Floats, most: float) -> float:
    """Return how much one install's part in the share varies: the variance of a share over n installs is this / n.

    It is the upper limit of the estimate: half of all horizons planned with the estimate itself would be too near.
    Hits and trials are of installs, ``(installs,)``.

    Source: R. H. Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14
    (1995), 1933-1940; for variances of values that are not normal, by their kurtosis.
    """
    sample = Sample(hits[np.newaxis], trials[np.newaxis], np.zeros(len(hits), np.intp))
    arm = share_by_arm(sample, sample, most).champion
    if arm is None or arm.installs < MIN_INSTALLS_TO_PLAN:
        return MAX_VARIANCE
    n = arm.installs
    parts = np.square(n * arm.influences[trials > 0])
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

    The proportion is looked at over all installs and, if the share grew, in each phase: the smallest p-value, times
    their number.

    Args:
        in_challenger: whether each exposed install is in the challenger's arm.
        shares: the challenger's share when each install was drawn.

    Source: chi-square with one degree of freedom; A. Fabijan et al., "Diagnosing sample ratio mismatch in online
    controlled experiments", KDD 2019.
    """
    phases = np.unique(shares)
    parts = [np.full(len(shares), True), *(shares == share for share in phases if len(phases) > 1)]
    p_values = [_chi_square_p_value(in_challenger[part], shares[part]) for part in parts]
    known = [p_value for p_value in p_values if p_value is not None]
    return min(1.0, min(known) * len(known)) if known else None


def _chi_square_p_value(in_challenger: npt.NDArray[np.bool_], shares: Floats) -> float | None:
    expected, variance = float(shares.sum()), float((shares * (1 - shares)).sum())
    if min(expected, len(shares) - expected) < SAMPLE_RATIO_MIN:
        return None
    return math.erfc(abs(float(in_challenger.sum()) - expected) / math.sqrt(2 * variance))


def smallest_visible_loss(shares: Floats) -> float | None:
    """Return the smallest part of one arm's installs whose loss the proportion of the arms would show.

    That is with probability ``LOSS_POWER``, at a p-value of ``SAMPLE_RATIO_ALPHA``. A loss of that part multiplies the
    odds of an install to be in that arm by 1 less the part.

    Args:
        shares: the challenger's share when each install was drawn.

    Returns:
        None while there are too few installs for a p-value.
    """
    expected, information = float(shares.sum()), float((shares * (1 - shares)).sum())
    if min(expected, len(shares) - expected) < SAMPLE_RATIO_MIN:
        return None
    phases = len(np.unique(shares))
    alpha = SAMPLE_RATIO_ALPHA / (phases + 1 if phases > 1 else 1)
    quantiles = NormalDist().inv_cdf(1 - alpha / 2) + NormalDist().inv_cdf(LOSS_POWER)
    return 1 - math.exp(-quantiles / math.sqrt(information))


def describe_progress(installs: int, horizon: int) -> str:
    """Return how far an experiment is: ``not enough yet: 1,204 of 3,762 installs``."""
    return f"not enough yet: {installs:,} of {horizon:,} installs"
