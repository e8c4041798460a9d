"""Percentiles out of counts by bands, since bands of many days add up and percentiles do not.

Bands grow by a fiftieth each, so that a percentile is told to within one per cent.
"""

import math
from collections.abc import Mapping

SHORTEST = 1e-3
"""What took less counts as so much. Milliseconds."""

STEP = 1.02
"""Each band ends where the next begins: at STEP to the power of its number plus one. Milliseconds."""


def percentile(bands: Mapping[int, int], share: float) -> float:
    """The value, in milliseconds, that ``share`` of all do not exceed: the middle of its band, on the scale of STEP.

    Args:
        bands: how many lie in each band; at least one in all.
        share: 0..1.

    Raises:
        ValueError: there is none.
    """
    rank = math.ceil(share * sum(bands.values()))
    for band, n in sorted(bands.items()):
        rank -= n
        if rank <= 0 and n:
            return float(STEP ** (band + 0.5))
    raise ValueError("nothing has no percentile")
