"""Guardrails: what does harm is found soon, and however often one looks at what does none, no alarm is raised."""

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
        failed = np.cumsum(rng.random(3_000) < guardrails.MAX_ERROR_RATE)
        alarms += any(check_errors(int(failed[n - 1]), n).breached for n in range(10, 3_001, 10))
    assert alarms <= 150 * ALPHA_EACH * 5


def test_a_challenger_that_fails_is_found_after_a_few_answers() -> None:
    assert check_errors(10, 10).breached
    assert check_errors(5, 20).breached
    assert check_errors(3, 9).breached is None
    assert check_errors(1, 20).breached is False
    assert check_errors(0, 0).breached is None
    assert "10 of 10 answers failed" in check_errors(10, 10).summary


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


def test_a_challenger_without_harm_is_left_alone() -> None:
    """Looked at twice a day for four weeks; heavy writers, and items of an install that resemble each other."""
    alarms = [name for seed in range(20) for today in looks(seed, times=56) for name in breached(today)]
    assert alarms == []


@pytest.mark.slow
def test_of_five_hundred_challengers_without_harm_hardly_one_is_ended() -> None:
    """Half at a tenth of the installs, half at a half; half of them a little worse, within what is allowed."""
    ended = 0
    for seed in range(500):
        share = 0.1 if seed % 2 else 0.5
        changes: dict[str, Any] = {"dismissal": 0.01, "coverage": -0.02, "slow": 0.01} if seed % 4 < 2 else {}
        ended += any(breached(today) for today in looks(seed, share=share, times=672, **changes))
    print(f"{ended} of 500 harmless challengers were ended, looked at every hour for four weeks")
    assert ended <= 500 * guardrails.ALPHA


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
