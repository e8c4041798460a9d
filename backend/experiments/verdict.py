"""Two arms compared by install: the difference with its interval, how many installs it takes, and the verdict.

Pure: arrays in, numbers out. A page that is always open invites to stop when the figures look good, which makes a
chance a verdict. So the verdict is given once, at a horizon fixed before; until then there is none.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.acceptance.intervals import student_quantile

Values = npt.NDArray[np.float64]
Word = Literal["better", "worse", "no difference shown"]

# Of verdicts where there is no difference, so many are wrong: a little fewer than the one in twenty that is promised,
# since the variance, an estimate, errs too. Of differences of the announced size, so many are found.
ALPHA, POWER = 0.04, 0.8

# What an install counts at most: so many items, or drafts. One writer of hundreds must not decide for all, and what
# writers do differs more than what one writer does.
MOST_ITEMS, MOST_DRAFTS = 20, 5

# So many installs that one address began on one day count at most: hundreds of them can be one person's. What they
# decide alone is not decided.
MOST_OF_CROWD = 5

# Fewer installs say too little of how much installs differ, and then it is taken to be as much as it can be.
ENOUGH_TO_PLAN = 100
LARGEST_VARIANCE = 0.25

# A horizon is planned with the upper limit of what the variance may be, this sure (one-sided).
SURE_OF_VARIANCE = 0.95

# Arms that are out of proportion by less chance than this are not comparable, whatever they show.
SAMPLE_RATIO_ALPHA = 0.001
# Installs expected in the smaller arm, below which chi-square is no good.
SAMPLE_RATIO_LEAST = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """What the installs of one arm did; one entry an install, all of shape ``(installs,)``.

    Attributes:
        hits: what is counted, as accepted items; at most ``trials``.
        trials: of how many, as viewed items; installs with 0 do not count.
        chances: of the install to get into this arm when it was drawn. While the share grows, early installs, who
            write more, get into the challenger's arm more seldom than late ones; by 1 / chance they count alike.
    """

    hits: Values
    trials: Values
    chances: Values


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
        half = student_quantile(self.installs - 1) * math.sqrt(self.variance)
        return max(0.0, self.value - half), min(1.0, self.value + half)


@dataclass(frozen=True, slots=True)
class Difference:
    """Challenger less champion, within -1..1, with bounds at 96 %, that is ``1 - ALPHA``."""

    value: float
    low: float
    high: float

    @property
    def word(self) -> Word:
        """What it says of the challenger, if it is asked once."""
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "no difference shown"


def shares_by_install(sample: Sample, most: float) -> tuple[Values, Values]:
    """Hits and trials of the installs that have any, each scaled down to ``most`` trials and up by its chance."""
    there = sample.trials > 0
    hits, trials, chances = sample.hits[there], sample.trials[there], sample.chances[there]
    weights = np.minimum(1.0, most / trials) / chances
    return hits * weights, trials * weights


def estimate(sample: Sample, most: float) -> Estimate | None:
    """The share of an arm, hits of trials, each install weighing its trials, but at most ``most``.

    The variance is that of a ratio of two means over installs (delta method), so that it holds however much the
    items of one install resemble each other, with each install's pull on the value taken out (jackknife, HC3).

    Source: W. G. Cochran, Sampling Techniques (1977), ch. 6; A. Deng, U. Knoblich, J. Lu, "Applying the delta method
    in metric analytics", KDD 2018; J. G. MacKinnon and H. White, Journal of Econometrics 29 (1985), 305-325.

    Returns:
        None without an install that has trials.
    """
    hits, trials = shares_by_install(sample, most)
    total = trials.sum()
    if not total:
        return None
    value = float(hits.sum() / total)
    if len(hits) == 1:
        return Estimate(value, LARGEST_VARIANCE, 1)
    return Estimate(value, float(np.square(_pulls(hits, trials)).sum()), len(hits))


def _pulls(hits: Values, trials: Values) -> Values:
    """By how much each install moves the share: what it would be with it less what it would be without."""
    total = trials.sum()
    pulls: Values = (hits - hits.sum() / total * trials) / (total - trials)
    return pulls


def difference(champion: Estimate, challenger: Estimate) -> Difference | None:
    """Challenger less champion with Student's interval; None where an arm has fewer than two installs.

    Source: B. L. Welch, Biometrika 34 (1947), 28-35, for the degrees of freedom.
    """
    if min(champion.installs, challenger.installs) < 2:
        return None
    value, variance = challenger.value - champion.value, challenger.variance + champion.variance
    if not variance:
        return Difference(value, value, value)
    freedom = variance**2 / sum(arm.variance**2 / (arm.installs - 1) for arm in (champion, challenger))
    half = student_quantile(max(1, math.floor(freedom)), 1 - ALPHA / 2) * math.sqrt(variance)
    return Difference(value, max(-1.0, value - half), min(1.0, value + half))


def variance_to_plan(sample: Sample, most: float) -> float:
    """How much one install's part in the share varies: the variance of a share over n installs is this / n.

    It is the upper limit of the estimate, since of horizons planned with the estimate itself half are too near.

    Source: R. H. Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14
    (1995), 1933-1940; for variances of values that are not normal, by their kurtosis.
    """
    hits, trials = shares_by_install(sample, most)
    n = len(hits)
    if n < ENOUGH_TO_PLAN:
        return LARGEST_VARIANCE
    parts = np.square(n * _pulls(hits, trials))
    variance = float(parts.mean())
    unsure = float(parts.std()) / math.sqrt(n)
    return variance + NormalDist().inv_cdf(SURE_OF_VARIANCE) * unsure


def required_installs(variance: float, smallest_difference: float, share: float) -> int:
    """How many installs with a viewed item, of both arms together, find a difference of this size.

    Two-sided at ``ALPHA``, with probability ``POWER``.

    Args:
        variance: see `variance_to_plan`.
        smallest_difference: the smallest that is of interest, as a share: .02 for two points.
        share: of the installs that get the challenger, between 0 and 1.

    Raises:
        ValueError: share or difference are not between 0 and 1.
    """
    if not 0 < share < 1 or not 0 < smallest_difference < 1:
        raise ValueError("share and smallest difference must be between 0 and 1")
    quantiles = NormalDist().inv_cdf(1 - ALPHA / 2) + NormalDist().inv_cdf(POWER)
    return math.ceil(quantiles**2 * variance * (1 / share + 1 / (1 - share)) / smallest_difference**2)


def sample_ratio(in_challenger: npt.NDArray[np.bool_], shares: Values) -> float | None:
    """How probable it is that chance alone puts the arms so far out of proportion; None while there are too few.

    Args:
        in_challenger: whether each exposed install is in the challenger's arm.
        shares: the challenger's share when each install was drawn.

    Source: chi-square with one degree of freedom; A. Fabijan et al., "Diagnosing sample ratio mismatch in online
    controlled experiments", KDD 2019.
    """
    expected, variance = float(shares.sum()), float((shares * (1 - shares)).sum())
    if min(expected, len(shares) - expected) < SAMPLE_RATIO_LEAST:
        return None
    return math.erfc(abs(float(in_challenger.sum()) - expected) / math.sqrt(2 * variance))


def progress(installs: int, horizon: int) -> str:
    """How far it is: ``not enough yet: 1,204 of 3,762 installs``."""
    return f"not enough yet: {installs:,} of {horizon:,} installs"
