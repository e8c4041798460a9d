"""Intervals and changes clustered by install, against a slow and independent way of working them out."""

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from backend.acceptance.clusters import WriterSums, clustered_change, clustered_interval, sum_over_writers, sum_products
from tests.backend.acceptance.spread import Done, estimate

Writer = tuple[float, float]


def make_writers(seed: int, writers: int, sigma: float, share: float = 0.4) -> list[Writer]:
    """Return accepted and viewed items of writers of all sorts."""
    pick = random.Random(seed)
    rows = []
    for _ in range(writers):
        n = 1 + int(pick.lognormvariate(1.5, sigma))
        own = min(1.0, max(0.0, pick.gauss(share, 0.2)))
        rows.append((float(sum(pick.random() < own for _ in range(n))), float(n)))
    return rows


def sums_of(rows: Sequence[Writer]) -> WriterSums:
    x, n = np.array(rows, dtype=np.float64).T
    return sum_over_writers(x, n)


@pytest.mark.parametrize("writers", [5, 8, 30, 60])
@pytest.mark.parametrize("sigma", [0.3, 1.0, 1.6])
@pytest.mark.parametrize("share", [0.05, 0.4, 0.95])
def test_the_interval_is_that_of_an_independent_calculation(writers: int, sigma: float, share: float) -> None:
    for seed in range(3):
        rows = make_writers(seed, writers, sigma, share)
        expected = estimate({i: Done(x, n, x) for i, (x, n) in enumerate(rows)})
        bounds = clustered_interval(sums_of(rows))
        assert (bounds is None) == (expected is None)
        if bounds is not None and expected is not None:
            # Student's quantile is within .2 %.
            width = expected.high - expected.low
            assert bounds == pytest.approx((expected.low, expected.high), abs=0.003 * width)


def test_few_writers_have_no_interval_however_many_items_they_have() -> None:
    assert clustered_interval(sums_of([(400.0, 1000.0)] * 4)) is None
    assert clustered_interval(sums_of([(400.0, 1000.0)] * 5)) is not None
    # One writer of thousands among nine of a few.
    assert clustered_interval(sums_of([(4000.0, 10_000.0), *[(2.0, 5.0)] * 9])) is None


def test_an_interval_of_nothing_is_none() -> None:
    assert clustered_interval(sums_of([(0.0, 0.0)])) is None


def test_items_of_one_writer_tell_less_than_items_of_many() -> None:
    def width(rows: list[Writer]) -> float:
        low, high = clustered_interval(sums_of(rows)) or (0.0, 1.0)
        return high - low

    same_items = [(0.0, 10.0)] * 12 + [(10.0, 10.0)] * 8
    assert width(same_items) > 2.5 * width([(1.0, 1.0)] * 80 + [(0.0, 1.0)] * 120)


def test_shares_of_all_or_nothing_do_not_claim_certainty() -> None:
    low, high = clustered_interval(sums_of([(0.0, 3.0)] * 10)) or (0.5, 0.5)
    assert low == 0
    assert 0.1 < high < 0.5
    low, high = clustered_interval(sums_of([(3.0, 3.0)] * 10)) or (0.5, 0.5)
    assert 0.5 < low < 0.9
    assert high == 1


def test_a_change_goes_by_who_wrote_in_both_periods() -> None:
    rows = make_writers(1, 40, 0.5)
    # The same writers do the same again: their share has not changed, and that is sure.
    now = before = sums_of(rows)
    x, n = np.array(rows, dtype=np.float64).T
    same = clustered_change(now, before, sum_products((x, x), (n, n)))
    strangers = clustered_change(now, before)
    assert same is not None
    assert strangers is not None
    # The bounds of a share are not quite as far below it as above.
    assert same == pytest.approx((0.0, 0.0), abs=0.002)
    assert strangers[0] < -0.05 < 0.05 < strangers[1]


def test_a_change_needs_enough_writers_in_both_periods() -> None:
    many, few = sums_of(make_writers(2, 40, 0.5)), sums_of(make_writers(3, 4, 0.5))
    assert clustered_change(many, few) is None
    assert clustered_change(few, many) is None


def test_sums_add_up_over_groups_that_share_no_writer() -> None:
    rows = make_writers(4, 50, 1.0)
    together = sums_of(rows[:20]) + sums_of(rows[20:])
    assert together.to_list() == pytest.approx(sums_of(rows).to_list())
    # Months whose writers can't be told apart are taken as others, and that stays known.
    assert (together + replace(together, months=1)).months == 1
