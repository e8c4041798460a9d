"""Two arms compared by install: known values, and what thousands of simulated experiments say of the method."""

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
import pytest

from backend.deployments.tables import Deployment
from backend.experiments import verdict
from backend.experiments.comparison import ACCEPTANCE, compare_arms
from backend.experiments.service import is_due
from backend.experiments.verdict import (
    MAX_ITEMS,
    MAX_VARIANCE,
    Sample,
    estimate_difference,
    estimate_share,
    planning_variance,
    required_installs,
    sample_ratio_p_value,
)
from tests.backend.experiments.population import Population

# The smallest difference that the simulated experiments announce: five points of acceptance.
ANNOUNCED = 0.05

NOW = datetime(2026, 11, 20, tzinfo=UTC)


def sample(hits: Sequence[float], trials: Sequence[float], chance: float = 1.0) -> Sample:
    return Sample(np.array(hits, float), np.array(trials, float), np.full(len(hits), chance))


def test_an_install_weighs_its_items_but_no_more_than_the_cap() -> None:
    # 1 of 2, 3 of 4, and 80 of 100 that count as 16 of 20.
    found = estimate_share(sample([1, 3, 80, 0], [2, 4, 100, 0]), MAX_ITEMS)
    assert found is not None
    assert found.value == pytest.approx((1 + 3 + 16) / (2 + 4 + 20))
    assert found.installs == 3


def test_the_variance_is_that_of_leaving_out_one_install_after_the_other() -> None:
    hits, trials = [1, 3, 2, 5], [2, 4, 4, 9]
    whole = sum(hits) / sum(trials)
    without = [(sum(hits) - h) / (sum(trials) - t) for h, t in zip(hits, trials, strict=True)]
    found = estimate_share(sample(hits, trials), MAX_ITEMS)
    assert found is not None
    assert found.variance == pytest.approx(sum((whole - each) ** 2 for each in without))


def test_installs_of_equal_weight_give_the_textbook_variance_of_a_mean() -> None:
    hits = [0, 1, 2, 3, 4, 4, 2, 1]
    found = estimate_share(sample(hits, [4] * 8), MAX_ITEMS)
    shares = np.array(hits) / 4
    assert found is not None
    # The jackknife's factor n / (n - 1) on top of s² / n.
    assert found.variance == pytest.approx(shares.var(ddof=1) / 8 * 8 / 7)


def test_the_interval_agrees_with_a_bootstrap_by_install() -> None:
    rng = np.random.default_rng(11)
    (last,) = Population().experiment(rng, 1_500, 0.4, looks=1, acceptance=0.04)
    found = compare_arms(ACCEPTANCE, last, once=True).difference
    assert found is not None
    weights = np.minimum(1, MAX_ITEMS / np.maximum(last.viewed, 1))
    hits, trials = last.accepted * weights, last.viewed * weights
    drawn = []
    for arm in (~last.in_challenger, last.in_challenger):
        n = int(arm.sum())
        times = rng.multinomial(n, np.full(n, 1 / n), size=4_000)
        drawn.append((times @ hits[arm]) / (times @ trials[arm]))
    low, high = np.quantile(drawn[1] - drawn[0], [verdict.ALPHA / 2, 1 - verdict.ALPHA / 2])
    assert (found.low, found.high) == pytest.approx((low, high), abs=0.004)


def test_a_share_that_grows_does_not_bend_the_comparison() -> None:
    # Early installs (share 10 %) accept half, late ones (share 50 %) a tenth; the arms do not differ in anything else.
    champion = Sample(
        np.r_[np.full(90, 5.0), np.full(50, 1.0)], np.full(140, 10.0), np.r_[np.full(90, 0.9), np.full(50, 0.5)]
    )
    challenger = Sample(
        np.r_[np.full(10, 5.0), np.full(50, 1.0)], np.full(60, 10.0), np.r_[np.full(10, 0.1), np.full(50, 0.5)]
    )
    before, now = estimate_share(champion, MAX_ITEMS), estimate_share(challenger, MAX_ITEMS)
    assert before is not None
    assert now is not None
    assert before.value == pytest.approx(now.value) == pytest.approx(0.3)


def test_of_too_little_nothing_is_said() -> None:
    assert estimate_share(sample([], []), MAX_ITEMS) is None
    assert estimate_share(sample([0, 0], [0, 0]), MAX_ITEMS) is None
    one, two = estimate_share(sample([1], [2]), MAX_ITEMS), estimate_share(sample([1, 2], [2, 2]), MAX_ITEMS)
    assert one is not None
    assert two is not None
    assert one.interval is None
    assert estimate_difference(one, two) is None


def test_how_many_installs_a_difference_takes() -> None:
    # (z of .98 + z of .8)² = (2.0537 + 0.8416)² = 8.3832
    assert required_installs(0.2275, 0.05, 0.5) == math.ceil(8.3832 * 4 * 0.2275 / 0.05**2)
    assert required_installs(0.2275, 0.05, 0.1) == math.ceil(8.3832 * (10 + 10 / 9) * 0.2275 / 0.05**2)
    for share, smallest in ((0.0, 0.05), (1.0, 0.05), (0.5, 0.0), (0.5, 1.0)):
        with pytest.raises(ValueError, match="between 0 and 1"):
            required_installs(0.2, smallest, share)


def test_with_too_few_installs_the_largest_variance_is_planned_with() -> None:
    accepted, viewed = Population().past(np.random.default_rng(3), 99)
    assert planning_variance(Sample(accepted, viewed, np.ones(len(viewed))), MAX_ITEMS) == MAX_VARIANCE


def test_the_sample_ratio_is_chi_square() -> None:
    def probability(challengers: int, champions: int, share: float) -> float | None:
        arms = np.r_[np.ones(challengers, bool), np.zeros(champions, bool)]
        return sample_ratio_p_value(arms, np.full(len(arms), share))

    assert probability(55, 45, 0.5) == pytest.approx(0.3173, abs=1e-4)
    # 3.841 is chi-square's 95 % quantile at one degree of freedom: (539.2 - 500)² / 400.
    assert probability(2_539, 10_000 - 2_539, 0.25) == pytest.approx(math.erfc(39 / math.sqrt(2 * 1_875)))
    assert probability(150, 850, 0.1) == pytest.approx(math.erfc(50 / math.sqrt(2 * 90)))
    assert probability(4, 4, 0.5) is None


def test_progress_counts_installs() -> None:
    assert verdict.describe_progress(1204, 3762) == "not enough yet: 1,204 of 3,762 installs"


def words_of(seed: int, experiments: int, *, announced: float, effect: float) -> Counter[str]:
    """The verdicts of simulated experiments, each planned on a past of its own and looked at every day.

    ``peeked`` counts those where a usual interval, looked at every day, showed a difference on some day before the
    horizon; ``shown`` those where the page's did.
    """
    people, words = Population(), Counter[str]()
    for number in range(experiments):
        rng = np.random.default_rng([seed, number])
        accepted, viewed = people.past(rng, 600)
        variance = planning_variance(Sample(accepted, viewed, np.ones(len(viewed))), MAX_ITEMS)
        horizon = required_installs(variance, announced, 0.5)
        deployment = Deployment(horizon=horizon, until=None)
        peeked = shown = False
        # Enough installs come for the horizon in about three weeks of four.
        coming = horizon * 4 // 3
        for today in people.experiment(rng, coming, 0.5, looks=people.days, acceptance=effect):
            found = compare_arms(ACCEPTANCE, today, once=True).difference
            if found is None:
                continue
            if is_due(deployment, today.counted, NOW):
                words[found.word] += 1
                break
            peeked |= found.word != "no difference shown"
            held = compare_arms(ACCEPTANCE, today, once=False).difference
            shown |= held is not None and held.word != "no difference shown"
        words["peeked"] += peeked
        words["shown"] += shown
    print(f"seed {seed}, {experiments} experiments, true difference {effect:g}, announced {announced:g}: {dict(words)}")
    assert words.total() - words["peeked"] - words["shown"] == experiments
    return words


def test_experiments_without_difference_and_with_one() -> None:
    """The shortened run: differences of ten points take fewer installs."""
    nothing = words_of(1, 100, announced=0.1, effect=0.0)
    assert nothing["better"] + nothing["worse"] <= 9  # 4 are expected; more than 9 come once in a hundred seeds
    assert words_of(2, 60, announced=0.1, effect=0.1)["better"] >= 41  # 48 are expected


@pytest.mark.slow
def test_a_thousand_experiments_without_difference_give_at_most_one_wrong_verdict_in_twenty() -> None:
    words = words_of(20261120, 1_000, announced=ANNOUNCED, effect=0.0)
    assert words["better"] + words["worse"] <= 50
    # Whoever stops at the first good day is wrong far more often; the page's own interval does not mislead.
    assert words["peeked"] > 150
    assert words["shown"] <= 50


@pytest.mark.slow
def test_of_a_thousand_differences_of_the_announced_size_four_in_five_are_found() -> None:
    words = words_of(20261121, 1_000, announced=ANNOUNCED, effect=ANNOUNCED)
    assert words["better"] >= 800
    assert words["worse"] == 0
