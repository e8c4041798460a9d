"""How far two distributions over the same categories are apart, and how far chance alone would bring them."""

from typing import Final

import numpy as np

from model.drift.traffic import Values
from model.runs.arrays import Ints

DRAWS: Final = 2_000
CHANCE: Final = 0.999
"""The noise level is what chance alone stays below in this share of draws, as with the alerts of the service."""


def psi(first: Ints, second: Ints) -> Values:
    """Return the population stability index of counts over the same categories, [..., categories] → [...].

    Siddiqi, *Credit Risk Scorecards* (2006): below .1 little, to .25 some, above it a large shift. Half a draft is
    added to each category, so that an empty one is no infinite distance.
    """
    p, q = _shares(first), _shares(second)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1), float)


def jensen_shannon(first: Ints, second: Ints) -> Values:
    """Return the Jensen-Shannon distance, 0 to 1: the root of Lin's divergence (1991) in bits, a metric.

    (Endres and Schindelin, *A new metric for probability distributions*, 2003.)
    """
    p, q = _shares(first), _shares(second)
    middle = (p + q) / 2
    divergence = (p * np.log2(p / middle) + q * np.log2(q / middle)).sum(axis=-1) / 2
    return np.asarray(np.sqrt(np.maximum(divergence, 0)), float)


def noise_levels(first: Ints, second: Ints, seed: int = 1) -> tuple[float, float]:
    """Return the PSI and the distance that chance alone reaches between samples of these sizes, from one distribution.

    A parametric bootstrap (Efron and Tibshirani 1993) of what both samples have in common: of few drafts the PSI is
    large by itself, about (1/n + 1/m) times the number of categories (Yurdakul and Naranjo, *Statistical properties of
    the population stability index*, 2020).
    """
    random = np.random.default_rng(seed)
    common = (first + second) / max(int((first + second).sum()), 1)
    one = random.multinomial(int(first.sum()), common, DRAWS)
    other = random.multinomial(int(second.sum()), common, DRAWS)
    return float(np.quantile(psi(one, other), CHANCE)), float(np.quantile(jensen_shannon(one, other), CHANCE))


def _shares(counts: Ints) -> Values:
    smoothed = counts + 0.5
    return np.asarray(smoothed / smoothed.sum(axis=-1, keepdims=True), float)
