"""What is found: bad days first, and of the others whether data, the relation or the model's performance drifted.

- *Data drift*: drafts are others than the reference's: their lengths, the tags chosen before, and what a fixed model
  makes of their texts (best tag, best score, how many are confident). By the PSI of each column.
- *Concept drift*: at equal scores, other shares of the tags are right: the same drafts get other tags than before.
- *Model drift*: performance on posted drafts fell, and neither of the two explains it, as where people post tags that
  the model does not know.

The change of performance is told apart exactly: by other inputs, by another relation, and the rest. (Compare Cai,
Namkoong and Yadlowsky, *Diagnosing model performance under distribution shift*, 2023.)
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from model.drift import distance
from model.drift.bad_days import find_bad_days
from model.drift.performance import MIN_POSTED, compare_performance
from model.drift.reference import Reference
from model.drift.resampling import SURE, draw_counts, draw_shares
from model.drift.traffic import (
    BANDS,
    BEST_TAG,
    COLUMNS,
    OTHER,
    JudgedDraft,
    Traffic,
    Values,
    best_tag,
    count_bands,
    count_categories,
    count_right_bands,
)
from model.questions import RANKS
from model.runs.arrays import Ints

FORMAT: Final = 1

PSI_BOUND: Final = 0.2
SHIFT_BOUND: Final = 0.05
"""Mean difference, over the tags, of the share right at equal scores."""
MIN_DRAFTS: Final = 200
"""Drafts below which there is too little to judge a column by."""


def find_drift(traffic: Traffic, reference: Reference, *, seed: int = 1) -> dict[str, Any]:
    """Compare what came in with a reference; the key figures as JSON holds them, which the service imports.

    Only drafts that the reference's version answered, on days that were not bad, are compared.
    """
    bad = find_bad_days(traffic.days)
    drafts = comparable_drafts(traffic, reference)
    posted = [draft for draft in drafts if draft.posted]
    columns = [compare_column(drafts, reference, column, seed) for column in COLUMNS]
    relation = compare_relation(posted, reference, seed)
    performance = compare_performance(posted, reference, seed)
    kinds = sorted({bad_day["kind"] for bad_day in bad}, reverse=True)
    kinds += ["data"] if any(column["drifted"] for column in columns) else []
    kinds += ["concept"] if relation["drifted"] else []
    kinds += ["model"] if performance["drifted"] else []
    return {
        "format": FORMAT,
        "kind": traffic.kind,
        "since": traffic.since,
        "until": traffic.until,
        "model_version": reference.model_version,
        "reference": reference.made_of,
        "drafts": len(drafts),
        "left_out": len(traffic.drafts) - len(drafts),
        "other_versions": sum(draft.model_version != reference.model_version for draft in traffic.drafts),
        "found": kinds,
        "columns": columns,
        "relation": relation,
        "performance": performance,
        "disturbances": bad,
    }


def comparable_drafts(traffic: Traffic, reference: Reference) -> list[JudgedDraft]:
    """Return the drafts that are compared: of the reference's version, on days that were not bad."""
    version = reference.model_version
    return [draft for draft in drafts_of_good_days(traffic) if draft.model_version == version]


def drafts_of_good_days(traffic: Traffic) -> list[JudgedDraft]:
    """Return the drafts of days that were not bad."""
    bad_days = {each["day"] for each in find_bad_days(traffic.days)}
    return [draft for draft in traffic.drafts if draft.day not in bad_days]


def compare_column(drafts: Sequence[JudgedDraft], reference: Reference, column: str, seed: int) -> dict[str, Any]:
    """Compare one column: {column, psi, psi_noise, js, js_noise, drifted}; drifted is None of too few drafts."""
    before, now = count_column(drafts, reference, column)
    psi, js = float(distance.psi(before, now)), float(distance.jensen_shannon(before, now))
    psi_noise, js_noise = distance.noise_levels(before, now, seed)
    figures = {"psi": psi, "psi_noise": psi_noise, "js": js, "js_noise": js_noise}
    drifted = None if len(drafts) < MIN_DRAFTS else psi > max(PSI_BOUND, psi_noise)
    return {"column": column} | {name: round(value, 4) for name, value in figures.items()} | {"drifted": drifted}


def count_column(drafts: Sequence[JudgedDraft], reference: Reference, column: str) -> tuple[Ints, Ints]:
    """Return the counts of the reference and of the drafts over the reference's categories."""
    if column != BEST_TAG:
        return np.array(reference.columns[column]), count_categories(drafts, column)
    place = {tag: i for i, tag in enumerate(reference.best_tags)}
    now = np.zeros(len(place), np.int64)
    for draft in drafts:
        now[place.get(best_tag(draft), place[OTHER])] += 1
    return np.array(list(reference.best_tags.values())), now


def compare_relation(posted: Sequence[JudgedDraft], reference: Reference, seed: int) -> dict[str, Any]:
    """Compare the share of right tags at equal scores: {n, shift, noise, drifted, bands}.

    ``shift`` is the mean absolute difference over the bands of scores, weighted by the tags offered now: the same
    whatever the mix of scores has become. Drafts are drawn anew for its noise, since tags of one draft are not
    independent.
    """
    offered = np.array([count_bands(draft, RANKS) for draft in posted], float).reshape(len(posted), BANDS)
    right = np.array([count_right_bands(draft) for draft in posted], float).reshape(len(posted), BANDS)
    n = offered.sum(axis=0)
    share, before = right.sum(axis=0) / np.maximum(n, 1), reference.share_right

    def shift_of(differences: Values) -> Values:
        return np.asarray((np.abs(differences) * n).sum(axis=-1) / max(float(n.sum()), 1.0))

    random = np.random.default_rng(seed)
    again = np.array([(drawn @ right) / np.maximum(drawn @ offered, 1) for drawn in draw_counts(len(posted), random)])
    by_chance = shift_of(np.where(n > 0, again - share, 0) + draw_shares(reference, random) - before)
    shift, noise = float(shift_of(share - before)), float(by_chance.mean() + SURE * by_chance.std())
    return {
        "n": int(n.sum()),
        "shift": round(shift, 4),
        "noise": round(noise, 4),
        "drifted": None if len(posted) < MIN_POSTED else shift > max(SHIFT_BOUND, noise),
        "bands": [
            {
                "score_from": band / BANDS,
                "offered": int(n[band]),
                "right": round(float(share[band]), 4) if n[band] else None,
                "reference": round(float(before[band]), 4),
            }
            for band in range(BANDS)
        ],
    }
