"""Drafts and references drawn anew, for how far chance alone moves a figure."""

from collections.abc import Iterator
from statistics import NormalDist
from typing import Final

import numpy as np

from model.drift.distance import CHANCE
from model.drift.reference import Reference
from model.drift.traffic import BANDS, Values

RESAMPLES: Final = 500
SURE: Final = NormalDist().inv_cdf(CHANCE)
"""Standard deviations that chance passes once in a thousand times."""


def draw_counts(n: int, random: np.random.Generator) -> Iterator[Values]:
    """Return how often each of n drafts is drawn, [n], resample by resample: of a year's drafts all would not fit."""
    for _ in range(RESAMPLES):
        yield np.bincount(random.integers(0, n, n), minlength=n).astype(float) if n else np.zeros(0)


def draw_shares(reference: Reference, random: np.random.Generator) -> Values:
    """Draw the reference's shares of right tags as they may truly be, [RESAMPLES, BANDS]."""
    right, offered = np.array(reference.right), np.array(reference.offered)
    return random.beta(right + 0.5, offered - right + 0.5, (RESAMPLES, BANDS))
