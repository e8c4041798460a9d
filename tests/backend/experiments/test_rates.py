"""How often experiments are judged wrongly: few of them in every run, a thousand in each world in the slow one."""

import pytest

from tools.experiment_rates import SEED, WORLDS, Rates, join_rates, measure_rates


def test_hardly_an_experiment_without_difference_is_judged_wrongly_and_most_differences_are_found() -> None:
    """The shortened run, in the world that has all the troubles."""
    rates = measure_rates("all", 12, 10, SEED)
    assert rates.wrong <= 2 / 12
    assert rates.stopped == 0
    assert rates.found >= 0.6


@pytest.mark.slow
def test_of_a_thousand_experiments_in_each_world_as_few_are_judged_wrongly_as_is_promised() -> None:
    measured: list[Rates] = []
    for name in WORLDS:
        rates = measure_rates(name, 1_000, 250, SEED)
        print(f"seed {SEED}, {name}: {rates}", flush=True)
        assert rates.wrong <= 0.065, name
        assert rates.stopped <= 0.02, name
        assert rates.found >= 0.8, name
        measured.append(rates)
    together = join_rates(measured)
    assert together.wrong <= 0.05
    assert together.stopped <= 0.01
