"""PSI and Jensen-Shannon distance against other hands, and their noise against what chance really does."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from model.drift import distance


def test_psi_of_an_example_by_hand() -> None:
    # (.5-.25) ln 2 + (.5-.75) ln (2/3), with so many drafts that half a draft is nothing.
    first, second = np.array([500_000, 500_000]), np.array([250_000, 750_000])
    assert distance.psi(first, second) == pytest.approx(0.25 * np.log(2) - 0.25 * np.log(2 / 3), abs=1e-4)
    assert distance.psi(second, first) == pytest.approx(float(distance.psi(first, second)))
    assert distance.psi(first, first) == 0


def test_jensen_shannon_equals_scipys() -> None:
    random = np.random.default_rng(1)
    first, second = random.integers(0, 200, (2, 12))
    expected = jensenshannon(first + 0.5, second + 0.5, base=2)
    assert distance.jensen_shannon(first, second) == pytest.approx(expected)
    apart = distance.jensen_shannon(np.array([10**6, 0]), np.array([0, 10**6]))
    assert apart == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("n", [50, 400, 5_000])
def test_chance_alone_stays_below_the_noise(n: int) -> None:
    random = np.random.default_rng(n)
    shares = random.dirichlet(np.ones(10))
    above = 0
    for seed in range(60):
        first, second = random.multinomial(5_000, shares), random.multinomial(n, shares)
        above += float(distance.psi(first, second)) > distance.noise_levels(first, second, seed)[0]
    assert above <= 1


def test_an_empty_sample_is_no_fault() -> None:
    none = np.zeros(4, np.int64)
    assert np.isfinite(distance.psi(none, np.array([1, 2, 3, 4])))
    assert np.isfinite(distance.noise_levels(none, none)).all()
