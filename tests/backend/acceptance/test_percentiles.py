"""Percentiles out of bands, against the sorted values themselves."""

import math
import random
from collections import Counter

import pytest

from backend.acceptance.percentiles import STEP, percentile


def band(value: float) -> int:
    return math.floor(math.log(value) / math.log(STEP))


@pytest.mark.parametrize("n", [1, 2, 7, 1000])
@pytest.mark.parametrize("share", [0.5, 0.95, 0.99, 1.0])
def test_a_percentile_is_within_one_per_cent_of_the_value_at_its_rank(n: int, share: float) -> None:
    pick = random.Random(n)
    values = sorted(pick.lognormvariate(2, 1) for _ in range(n))
    found = percentile(Counter(map(band, values)), share)
    assert found == pytest.approx(values[math.ceil(share * n) - 1], rel=0.01)


def test_bands_of_two_days_add_up() -> None:
    one, other = Counter({band(5.0): 3}), Counter({band(50.0): 1, band(5.0): 1})
    assert percentile(one + other, 0.8) == pytest.approx(5.0, rel=0.01)
    assert percentile(one + other, 0.81) == pytest.approx(50.0, rel=0.01)


def test_nothing_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile({}, 0.5)
