"""Two arms compared by install: known values, and what thousands of simulated experiments say of the method."""

import math
from collections.abc import Sequence

import numpy as np
import pytest

from backend.experiments import verdict
from backend.experiments.comparison import ACCEPTANCE, compare_arms
from backend.experiments.strata import MAX_VARIANCE, ArmShare, Sample, share_by_arm
from backend.experiments.verdict import (
    MAX_ITEMS,
    planning_variance,
    required_installs,
    sample_ratio_p_value,
    smallest_visible_loss,
)
from tests.backend.experiments.population import Population


def share(hits: Sequence[float], trials: Sequence[float]) -> ArmShare:
    """The share of the first of two arms that did the same, all in one phase."""
    arm = Sample(np.array([hits], float), np.array([trials], float), np.zeros(len(hits), np.intp))
    found = share_by_arm(arm, arm, MAX_ITEMS).champion
    assert found is not None
    return found


def test_an_install_weighs_its_items_but_no_more_than_the_cap() -> None:
    # 1 of 2, 3 of 4, and 80 of 100 that count as 16 of 20.
    found = share([1, 3, 80, 0], [2, 4, 100, 0])
    assert found.value == pytest.approx((1 + 3 + 16) / (2 + 4 + 20))
    assert found.installs == 3


def test_the_variance_is_that_of_leaving_out_one_install_after_the_other() -> None:
    hits, trials = [1, 3, 2, 5], [2, 4, 4, 9]
    whole = sum(hits) / sum(trials)
    without = [(sum(hits) - h) / (sum(trials) - t) for h, t in zip(hits, trials, strict=True)]
    assert share(hits, trials).variance == pytest.approx(sum((whole - each) ** 2 for each in without))


def test_installs_of_equal_weight_give_the_textbook_variance_of_a_mean() -> None:
    hits = [0, 1, 2, 3, 4, 4, 2, 1]
    shares = np.array(hits) / 4
    # The jackknife's factor n / (n - 1) on top of s² / n.
    assert share(hits, [4] * 8).variance == pytest.approx(shares.var(ddof=1) / 8 * 8 / 7)


def test_the_interval_agrees_with_a_bootstrap_by_install() -> None:
    rng = np.random.default_rng(11)
    (last,) = Population().experiment(rng, 1_500, 0.4, looks=1, acceptance=0.04)
    found = compare_arms(ACCEPTANCE, last, once=True).difference
    assert found is not None
    weights = np.minimum(1, MAX_ITEMS / np.maximum(last.viewed, 1))
    hits, trials = (last.accepted * weights)[0], (last.viewed * weights)[0]
    drawn = []
    for arm in (~last.in_challenger, last.in_challenger):
        n = int(arm.sum())
        times = rng.multinomial(n, np.full(n, 1 / n), size=4_000)
        drawn.append((times @ hits[arm]) / (times @ trials[arm]))
    low, high = np.quantile(drawn[1] - drawn[0], [verdict.ALPHA / 2, 1 - verdict.ALPHA / 2])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)


def two_phases(rates: tuple[float, float], in_challenger: bool) -> Sample:
    """What one arm does at a share of 10 % and then of 50 %, chips being accepted at each phase's rate.

    Of a thousand installs of the first phase, 400 of the champion's are taken over. In the second, 200 more come.
    """
    first, later = (100, 100) if in_challenger else (900, 100)
    staying = 100 if in_challenger else 500
    trials = np.zeros((2, first + later))
    trials[0, :first] = trials[1, :staying] = trials[1, first:] = 10
    hits = trials * np.array(rates)[:, np.newaxis]
    return Sample(hits, trials, np.r_[np.zeros(first, np.intp), np.ones(later, np.intp)])


def test_what_changes_for_everybody_while_the_share_grows_does_not_bias_the_comparison() -> None:
    champion, challenger = two_phases((0.5, 0.3), False), two_phases((0.5, 0.3), True)
    pooled = [sample.hits.sum() / sample.trials.sum() for sample in (champion, challenger)]
    assert pooled[1] - pooled[0] < -0.03
    shares = share_by_arm(champion, challenger, 20)
    assert shares.champion is not None
    assert shares.challenger is not None
    assert shares.champion.value == pytest.approx(shares.challenger.value)
    better = share_by_arm(champion, two_phases((0.6, 0.4), True), 20)
    assert better.champion is not None
    assert better.challenger is not None
    assert better.challenger.value - better.champion.value == pytest.approx(0.1)


def test_arms_that_never_met_in_one_phase_are_not_compared() -> None:
    early = Sample(np.array([[1.0, 2.0], [0, 0]]), np.array([[4.0, 4.0], [0, 0]]), np.zeros(2, np.intp))
    late = Sample(early.hits[::-1], early.trials[::-1], np.ones(2, np.intp))
    shares = share_by_arm(early, late, MAX_ITEMS)
    assert not shares.comparable
    assert shares.champion is not None
    assert shares.champion.value == 3 / 8


def test_of_too_little_nothing_is_said() -> None:
    nobody = Sample(np.zeros((1, 0)), np.zeros((1, 0)), np.zeros(0, np.intp))
    silent = Sample(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(2, np.intp))
    for sample in (nobody, silent):
        shares = share_by_arm(sample, sample, MAX_ITEMS)
        assert (shares.champion, shares.challenger, shares.comparable) == (None, None, False)
    one = verdict.make_estimate(share([1], [2]))
    assert one is not None
    assert (one.variance, one.interval) == (MAX_VARIANCE, None)


def test_how_many_installs_a_difference_takes() -> None:
    # (z of .98 + z of .8)² = (2.0537 + 0.8416)² = 8.3832
    assert required_installs(0.2275, 0.05, 0.5) == math.ceil(8.3832 * 4 * 0.2275 / 0.05**2)
    assert required_installs(0.2275, 0.05, 0.1) == math.ceil(8.3832 * (10 + 10 / 9) * 0.2275 / 0.05**2)
    for share, smallest in ((0.0, 0.05), (1.0, 0.05), (0.5, 0.0), (0.5, 1.0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            required_installs(0.2, smallest, share)


def test_with_too_few_installs_the_largest_variance_is_planned_with() -> None:
    accepted, viewed = Population().past(np.random.default_rng(3), 99)
    assert planning_variance(accepted, viewed, MAX_ITEMS) == MAX_VARIANCE


def test_the_sample_ratio_is_chi_square() -> None:
    def probability(challengers: int, champions: int, share: float) -> float | None:
        arms = np.r_[np.ones(challengers, bool), np.zeros(champions, bool)]
        return sample_ratio_p_value(arms, np.full(len(arms), share))

    assert probability(55, 45, 0.5) == pytest.approx(0.3173, abs=1e-4)
    # 3.841 is chi-square's 95 % quantile at one degree of freedom: (539.2 - 500)² / 400.
    assert probability(2_539, 10_000 - 2_539, 0.25) == pytest.approx(math.erfc(39 / math.sqrt(2 * 1_875)))
    assert probability(150, 850, 0.1) == pytest.approx(math.erfc(50 / math.sqrt(2 * 90)))
    assert probability(4, 4, 0.5) is None


def test_a_phase_out_of_proportion_shows_though_the_whole_is_not() -> None:
    shares = np.r_[np.full(1_000, 0.1), np.full(1_000, 0.5)]
    arms = np.r_[np.arange(1_000) < 140, np.arange(1_000) < 460]
    p_value = sample_ratio_p_value(arms, shares)
    # 40 too many of a variance of 90, the smallest of three p-values.
    assert p_value == pytest.approx(3 * math.erfc(40 / math.sqrt(2 * 90)))


@pytest.mark.parametrize(("installs", "loss"), [(3_000, 0.139), (12_000, 0.072), (90_000, 0.027)])
def test_the_smallest_loss_of_installs_that_is_named_is_seen_nine_times_in_ten(installs: int, loss: float) -> None:
    smallest = smallest_visible_loss(np.full(installs, 0.5))
    assert smallest == pytest.approx(loss, abs=0.001)
    rng = np.random.default_rng(13)
    seen = 0
    for _ in range(1_000):
        challengers = rng.binomial(installs, (1 - loss) / (2 - loss))
        p_value = sample_ratio_p_value(np.arange(installs) < challengers, np.full(installs, 0.5))
        seen += p_value is not None and p_value < verdict.SAMPLE_RATIO_ALPHA
    assert 860 <= seen <= 950


def test_progress_counts_installs() -> None:
    assert verdict.describe_progress(1204, 3762) == "not enough yet: 1,204 of 3,762 installs"
