"""Guardrails: what does harm is found soon, and however often one looks at what does none, no alarm is raised."""

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from backend.experiments import guardrails
from backend.experiments.guardrails import ALPHA_EACH, boundary, check_errors, check_guardrails, check_sample_ratio
from backend.experiments.installs import Installs
from tests.backend.experiments.population import Population


def breached(installs: Installs) -> set[str]:
    return {each.name for each in check_guardrails(installs) if each.breached}


def looks(
    seed: int, *, installs: int = 600, share: float = 0.1, times: int = 112, **changes: float
) -> Iterator[Installs]:
    yield from Population().experiment(np.random.default_rng(seed), installs, share, looks=times, **changes)


def test_the_boundary_is_rarely_crossed_by_chance_however_long_one_looks() -> None:
    rng = np.random.default_rng(5)
    walks, steps = 4_000, 3_000
    limits = np.array([boundary(n, alpha=0.05) for n in range(1, steps + 1)])
    crossed = np.zeros(walks, bool)
    sums = np.zeros(walks)
    for n, limit in enumerate(limits, start=1):
        sums += rng.standard_normal(walks)
        crossed |= sums / np.sqrt(n) > limit
    assert 0.01 < crossed.mean() < 0.05


def test_errors_up_to_what_is_allowed_raise_no_alarm_at_any_time() -> None:
    rng = np.random.default_rng(6)
    alarms = 0
    for _ in range(150):
        failed = (rng.random(3_000) < guardrails.MAX_ERROR_RATE).astype(float)
        alarms += any(check_errors(failed[:n]).breached for n in range(10, 3_001, 10))
    assert alarms <= 150 * ALPHA_EACH * 5


def test_answers_that_fail_for_few_installs_again_and_again_raise_no_alarm() -> None:
    """One install in two hundred asks most, and nearly all of its answers fail: 2 % of all."""
    rng = np.random.default_rng(9)
    alarms = 0
    for _ in range(150):
        unlucky = rng.random(1_000) < 0.5 * guardrails.MAX_ERROR_RATE
        failed = np.where(unlucky, rng.binomial(400, 0.9, 1_000) / 400, 0.0)
        alarms += any(check_errors(failed[:n]).breached for n in range(10, 1_001, 10))
    assert alarms <= 150 * ALPHA_EACH * 5


def test_a_challenger_that_fails_is_found_after_a_few_installs() -> None:
    assert check_errors(np.ones(10)).breached
    assert check_errors(np.r_[np.ones(5), np.zeros(15)]).breached
    assert check_errors(np.ones(3)).breached is None
    assert check_errors(np.r_[1.0, np.zeros(19)]).breached is False
    assert check_errors(np.zeros(0)).breached is None
    assert "10 of 10 installs met a failure" in check_errors(np.ones(10)).summary
    # Half of the answers of each install fail.
    assert check_errors(np.full(12, 0.5)).breached


def test_arms_in_the_proportion_that_was_set_raise_no_alarm_at_any_time() -> None:
    rng = np.random.default_rng(7)
    alarms = 0
    for _ in range(100):
        # The share grows from a tenth to a half.
        shares = np.r_[np.full(400, 0.1), np.full(800, 0.5)]
        arms = rng.random(1_200) < shares
        alarms += any(check_sample_ratio(arms[:n], shares[:n]).breached for n in range(20, 1_201, 20))
    assert alarms <= 100 * ALPHA_EACH * 5


def test_arms_out_of_proportion_are_found() -> None:
    rng = np.random.default_rng(8)
    shares = np.full(2_000, 0.1)
    assert check_sample_ratio(rng.random(2_000) < 0.15, shares).breached
    assert check_sample_ratio(np.zeros(300, bool), shares[:300]).breached
    assert check_sample_ratio(np.zeros(0, bool), shares[:0]).breached is None


def test_phases_that_are_out_of_proportion_in_opposite_ways_do_not_make_up_for_each_other() -> None:
    shares = np.r_[np.full(1_000, 0.1), np.full(1_000, 0.5)]
    arms = np.r_[np.arange(1_000) < 200, np.arange(1_000) < 400]
    result = check_sample_ratio(arms, shares)
    assert result.breached
    were_set = "30.0 % were set: 10.0 % for 1,000 installs, then 50.0 % for 1,000"
    assert result.summary == f"600 of 2,000 installs, 30.0 %; {were_set}"


def test_a_challenger_without_harm_is_left_alone() -> None:
    """Looked at twice a day for four weeks; heavy writers, and items of an install that resemble each other."""
    alarms = [name for seed in range(20) for today in looks(seed, times=56) for name in breached(today)]
    assert alarms == []


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("dismissals", {"dismissal": 0.35}),
        ("coverage", {"coverage": -0.45}),
        ("latency", {"slow": 0.4}),
    ],
)
def test_harm_is_found_while_few_have_met_it(name: str, changes: dict[str, Any]) -> None:
    met = []
    for seed in range(10):
        for today in looks(seed, installs=1_000, share=0.2, **changes):
            if found := breached(today):
                assert found == {name}
                met.append(int(today.in_challenger.sum()))
                break
    assert len(met) == 10
    assert np.median(met) < 80


def test_too_few_installs_say_nothing() -> None:
    first = next(looks(1, installs=30))
    readings = {each.name: each for each in check_guardrails(first)}
    assert [readings[name].breached for name in ("errors", "latency", "coverage", "dismissals")] == [None] * 4
    assert re.search(r"\d+ installs? in the (champion|challenger)'s arm, 20 needed$", readings["coverage"].summary)
