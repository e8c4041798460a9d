"""How the Jaccard of posted drafts changed, and how much of it is by other inputs, another relation and the rest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from model.drift.reference import (
    Reference,
    StratumSums,
    compute_jaccards,
    count_shown_and_posted,
    count_shown_bands,
    expect_jaccards,
)
from model.drift.resampling import SURE, draw_counts, draw_shares
from model.drift.traffic import STRATA, JudgedDraft, Values, find_strata
from model.runs.arrays import Ints

FALL_BOUND: Final = 0.03
"""Points of Jaccard."""
MIN_POSTED: Final = 100
"""Posted drafts below which there is too little to judge by."""


@dataclass(frozen=True, slots=True)
class Change:
    """A change of performance and what it is made of; the three parts add up to the whole."""

    whole: float
    by_inputs: float
    by_relation: float
    by_model: float


@dataclass(frozen=True, slots=True)
class _Drafts:
    """Posted drafts as arrays, [drafts]: their Jaccard, its expectation by the scores, and their strata."""

    jaccard: Values
    expected: Values
    strata: Ints


@dataclass(frozen=True, slots=True)
class _Means:
    """The reference by stratum, [STRATA]: drafts, mean expected Jaccard, and mean Jaccard above that."""

    drafts: Values
    expected: Values
    over: Values


def compare_performance(posted: Sequence[JudgedDraft], reference: Reference, seed: int) -> dict[str, Any]:
    """Compare the Jaccard of posted drafts, and tell its change apart: {n, jaccard, …, drifted}, see ``_tell_apart``.

    Intervals are of 99.8 %, by a bootstrap over drafts, the reference's own error included.
    """
    before = reference.performance
    comparison: dict[str, Any] = {
        "n": len(posted),
        "jaccard": None,
        "reference": round(float((np.array(before.expected) + before.over).sum() / np.array(before.n, float).sum()), 4),
        **dict.fromkeys(("change", "by_inputs", "by_relation", "by_model", "unknown")),
        "unknown_reference": round(reference.unknown_tags / max(reference.posted_tags, 1), 4),
        "drifted": None,
    }
    if not posted:
        return comparison
    jaccard = compute_jaccards(posted)
    change, resampled = _change(posted, jaccard, reference, seed)

    def measured(part: str) -> dict[str, float]:
        value = getattr(change, part)
        spread = SURE * float(np.std([getattr(other, part) for other in resampled]))
        return {"value": round(value, 4), "low": round(value - spread, 4), "high": round(value + spread, 4)}

    comparison["jaccard"] = round(float(jaccard.mean()), 4)
    comparison["change"] = measured("whole")
    comparison |= {part: measured(part) for part in ("by_inputs", "by_relation", "by_model")}
    comparison["unknown"] = round(
        sum(draft.unknown for draft in posted) / sum(draft.posted or 0 for draft in posted), 4
    )
    if len(posted) >= MIN_POSTED:
        comparison["drifted"] = comparison["by_model"]["value"] <= -FALL_BOUND and comparison["by_model"]["high"] < 0
    return comparison


def _change(
    posted: Sequence[JudgedDraft], jaccard: Values, reference: Reference, seed: int
) -> tuple[Change, list[Change]]:
    """Return the change from the reference, and the same of resampled drafts against resampled references."""
    bands, both, strata = count_shown_bands(posted), count_shown_and_posted(posted), find_strata(posted)
    sums = reference.performance
    means = _Means(np.array(sums.n, float), _mean(sums, sums.expected), _mean(sums, sums.over))
    errors = _error(sums, sums.expected, sums.expected_squares), _error(sums, sums.over, sums.over_squares)
    drafts = _Drafts(jaccard, expect_jaccards(bands, both, reference.share_right), strata)
    change = _tell_apart(drafts, np.ones(len(posted)), means)
    random = np.random.default_rng(seed)
    shares = draw_shares(reference, random)
    resampled = []
    for weights, share in zip(draw_counts(len(posted), random), shares, strict=True):
        expected, over = (
            mean + random.normal(0, error) for mean, error in zip((means.expected, means.over), errors, strict=True)
        )
        drawn = _Drafts(jaccard, expect_jaccards(bands, both, share), strata)
        resampled.append(_tell_apart(drawn, weights, _Means(means.drafts, expected, over)))
    return change, resampled


def _tell_apart(drafts: _Drafts, weights: Values, before: _Means) -> Change:
    """Tell a change of the mean Jaccard apart.

    With J the Jaccard, E the one expected by the scores at the reference's relation, ' the reference, and w the drafts
    weighted to the reference's mix of strata, of those strata that both have:
    by the relation (J - E) - (J' - E'), by the model E_w - E'_shared, and by the inputs what is left of E - E'.

    Args:
        weights: how often each draft counts, [drafts].
    """
    n = np.bincount(drafts.strata, weights, minlength=len(STRATA))
    expected_sums = np.bincount(drafts.strata, weights * drafts.expected, minlength=len(STRATA))
    by_stratum = expected_sums / np.maximum(n, 1e-9)
    shared = np.where(n > 0, before.drafts, 0)
    mix_before = before.drafts / before.drafts.sum()
    mix_shared = shared / max(shared.sum(), 1e-9)
    now = float(weights @ drafts.jaccard / weights.sum())
    expected_now = float(weights @ drafts.expected / weights.sum())
    expected_before, over_before = float(mix_before @ before.expected), float(mix_before @ before.over)
    by_model = float(mix_shared @ by_stratum - mix_shared @ before.expected)
    return Change(
        whole=now - expected_before - over_before,
        by_relation=now - expected_now - over_before,
        by_model=by_model,
        by_inputs=expected_now - expected_before - by_model,
    )


def _mean(sums: StratumSums, values: Sequence[float]) -> Values:
    """Return the mean of each stratum, of its sum."""
    return np.array(values) / np.maximum(sums.n, 1)


def _error(sums: StratumSums, values: Sequence[float], squares: Sequence[float]) -> Values:
    """Return the standard error of the mean of each stratum, of its sums of values and of squares."""
    n = np.maximum(sums.n, 1)
    variance = np.maximum(np.array(squares) / n - (np.array(values) / n) ** 2, 0)
    return np.sqrt(variance / n)
