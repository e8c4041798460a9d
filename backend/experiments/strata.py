"""The shares of two arms, combined over phases of constant share.

Pure: arrays in, numbers out. Each time a challenger's share is raised, a new phase begins. Two arms that are pooled
over phases differ even if the versions do not: the challenger's drafts are later ones, and something may have changed
for everybody in between. So the arms are compared within strata: installs first exposed at one share, in drafts begun
in one phase. Within a stratum chance alone decides an install's arm, with the same odds for all: those that the growing
share takes over leave the experiment, by the same draw. The differences of the strata are then averaged.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.intp]

# Where an arm has fewer installs, a stratum says nothing of how much they differ, and is left out.
MIN_INSTALLS_OF_STRATUM = 2

# The variance of one install's share is at most this, and is taken to be this where it is not known.
MAX_VARIANCE = 0.25


@dataclass(frozen=True, slots=True)
class Sample:
    """What the installs of one arm did.

    Attributes:
        hits: what is counted, as accepted items; at most ``trials``. Shape ``(phases, installs)``, by the phase in
            which a draft was begun.
        trials: of how many, as viewed items; of the same shape.
        cohorts: a number for the share at which each install was first exposed, the same in both arms; ``(installs,)``.
    """

    hits: Floats
    trials: Floats
    cohorts: Ints


@dataclass(frozen=True, slots=True)
class WeightedSample:
    """A sample whose installs count up to a cap, with its sums by phase and cohort, of shape ``(phases, cohorts)``."""

    hits: Floats
    trials: Floats
    cohorts: Ints
    total_hits: Floats
    total_trials: Floats
    installs: Floats


@dataclass(frozen=True, slots=True)
class ArmShare:
    """The share of an arm.

    Attributes:
        value: hits of trials, averaged over the strata.
        influences: by how much each install moves ``value``; ``(installs,)``.
        binomial_variance: the variance of ``value`` if installs did not differ: any estimate below it rests on too few
            hits.
        installs: how many it rests on.
    """

    value: float
    influences: Floats
    binomial_variance: float
    installs: int

    @property
    def variance(self) -> float:
        """The variance of the value, however much the items of one install resemble each other."""
        return float(np.square(self.influences).sum()) if self.installs > 1 else MAX_VARIANCE


@dataclass(frozen=True, slots=True)
class ArmShares:
    """The shares of champion and challenger; None without trials. ``comparable``: whether any stratum has both."""

    champion: ArmShare | None
    challenger: ArmShare | None
    comparable: bool


def share_by_arm(champion: Sample, challenger: Sample, most: float) -> ArmShares:
    """Return the shares of both arms, each install weighing its trials, but at most ``most``.

    A stratum weighs as much as it tells: trials of one arm times trials of the other, by their sum (Mantel-Haenszel).
    Where no stratum has both arms, the share of each arm is that of all its trials.

    Source: S. Greenland and J. Robins, "Estimation of a common effect parameter from sparse follow-up data",
    Biometrics 41 (1985), 55-68.
    """
    cohorts = 1 + max(
        (int(sample.cohorts.max()) for sample in (champion, challenger) if len(sample.cohorts)), default=0
    )
    arms = [weigh_installs(sample, most, cohorts) for sample in (champion, challenger)]
    sizes = [arm.total_trials * (arm.installs >= MIN_INSTALLS_OF_STRATUM) for arm in arms]
    weights = sizes[0] * sizes[1] / np.maximum(sizes[0] + sizes[1], 1e-9)
    comparable = bool(weights.any())
    shares = [average_strata(arm, weights if comparable else arm.total_trials) for arm in arms]
    return ArmShares(shares[0], shares[1], comparable)


def weigh_installs(sample: Sample, most: float, cohorts: int) -> WeightedSample:
    """Return a sample in which an install with more than ``most`` trials is scaled down to that, and its sums."""
    caps = np.minimum(1.0, most / np.maximum(sample.trials.sum(axis=0), most))
    hits, trials = sample.hits * caps, sample.trials * caps
    membership = (sample.cohorts[:, np.newaxis] == np.arange(cohorts)).astype(np.float64)
    installs = (trials > 0).astype(np.float64) @ membership
    return WeightedSample(hits, trials, sample.cohorts, hits @ membership, trials @ membership, installs)


def average_strata(arm: WeightedSample, weights: Floats) -> ArmShare | None:
    """Return the average of an arm's shares in the strata, and what each install does to it.

    The influence of an install is that on a ratio of two means (delta method), with the install itself taken out of the
    ratio (jackknife, HC3).

    Source: W. G. Cochran, Sampling Techniques (1977), ch. 6; A. Deng, U. Knoblich, J. Lu, "Applying the delta method
    in metric analytics", KDD 2018; J. G. MacKinnon and H. White, Journal of Econometrics 29 (1985), 305-325.

    Args:
        arm: what its installs did.
        weights: of the strata, any multiple of them; ``(phases, cohorts)``, 0 where the arm has no trials.

    Returns:
        None where all weights are 0.
    """
    if not weights.any():
        return None
    weights = weights / weights.sum()
    totals = np.maximum(arm.total_trials, 1e-9)
    shares = arm.total_hits / totals
    own_weights, own_shares, own_totals = (part[:, arm.cohorts] for part in (weights, shares, totals))
    others = np.where(arm.trials < own_totals, own_totals - arm.trials, np.inf)
    influences = (own_weights * (arm.hits - own_shares * arm.trials) / others).sum(axis=0)
    counting = ((own_weights > 0) & (arm.trials > 0)).any(axis=0)
    likely = (arm.total_hits.sum() + 1) / (arm.total_trials.sum() + 2)
    binomial = likely * (1 - likely) * float((np.square(own_weights / own_totals) * arm.trials).sum())
    return ArmShare(float((weights * shares).sum()), influences, float(binomial), int(counting.sum()))
