"""Percentiles from counts by band: the bands of many days add up, percentiles do not.

Each band is a fiftieth wider than the one before, so that a percentile is right to within one per cent.
"""

import math
from collections.abc import Mapping

SHORTEST = 1e-3
"""Anything faster counts as this. Milliseconds."""

STEP = 1.02
"""Each band ends where the next begins: at STEP to the power of its number plus one. Milliseconds."""


def percentile(bands: Mapping[int, int], share: float) -> float:
    """Return the value in milliseconds that a share of all do not exceed: the geometric middle of its band.

    Args:
        bands: how many lie in each band; at least one in all.
        share: 0..1.

    Raises:
        ValueError: all bands are empty.
    """
    rank = math.ceil(share * sum(bands.values()))
    for band, n in sorted(bands.items()):
        rank -= n
        if rank <= 0 and n:
            return float(STEP ** (band + 0.5))
    raise ValueError("no values, so no percentile")
