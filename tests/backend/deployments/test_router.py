"""Arms: drawn by a salted hash, uniform, kept while the share grows, and independent between deployments."""

from itertools import pairwise
from math import sqrt
from uuid import UUID

from backend.deployments.router import draw_arm, hash_install
from tests.backend.deployments.deployable_service import install_ids

N = 20_000
INSTALLS = [UUID(install) for install in install_ids(N)]


def test_each_share_of_the_installs_is_what_was_asked_for() -> None:
    for share in (0.01, 0.1, 0.5, 0.9):
        got = sum(draw_arm("salt", share, install) == "challenger" for install in INSTALLS) / N
        assert abs(got - share) < 4 * sqrt(share * (1 - share) / N)


def test_places_are_spread_evenly() -> None:
    places = sorted(hash_install("salt", install) for install in INSTALLS)
    assert places[0] >= 0
    assert places[-1] < 1
    # Kolmogorov's distance; 1.95 / √N is passed once in a thousand times.
    assert max(abs(place - rank / N) for rank, place in enumerate(places)) < 1.95 / sqrt(N)


def test_a_challengers_install_stays_one_while_the_share_grows() -> None:
    arms = [{i for i in INSTALLS if draw_arm("salt", share, i) == "challenger"} for share in (0.05, 0.1, 0.3, 1.0)]
    for smaller, larger in pairwise(arms):
        assert smaller < larger
    assert arms[-1] == set(INSTALLS)


def test_another_deployment_draws_anew() -> None:
    first = [draw_arm("one", 0.5, install) == "challenger" for install in INSTALLS]
    second = [draw_arm("two", 0.5, install) == "challenger" for install in INSTALLS]
    both = sum(a and b for a, b in zip(first, second, strict=True)) / N
    assert abs(both - 0.25) < 4 * sqrt(0.25 * 0.75 / N)
