"""What is found: bad days first, and of the others whether data, the relation or the model's performance drifted.

- *Data drift*: drafts are others than the reference's: their lengths, the tags chosen before, and what a fixed model
  makes of their texts (best tag, best score, how many are confident). By the PSI of each column.
- *Concept drift*: at equal scores, other shares of the tags are right: the same drafts get other tags than before.
- *Model drift*: performance on posted drafts fell, and neither of the two explains it, as where people post tags that
  the model does not know.

The change of performance is told apart exactly: by other inputs, by another relation, and the rest. (Compare Cai,
Namkoong and Yadlowsky, *Diagnosing model performance under distribution shift*, 2023.)
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from statistics import NormalDist, median
from typing import Any, Final

import numpy as np

from model.drift import distance
from model.drift.reference import (
    Reference,
    expected_jaccards,
    jaccards,
    shape,
    shown_bands,
)
from model.drift.traffic import (
    BANDS,
    BEST_TAG,
    COLUMNS,
    OTHER,
    STRATA,
    Day,
    Judged,
    Traffic,
    Values,
    bands_of,
    best_tag,
    counted,
    right_by_band,
    strata_of,
)
from model.questions import RANKS
from model.runs.arrays import Ints

FORMAT: Final = 1

PSI_BOUND: Final = 0.2
SHIFT_BOUND: Final = 0.05
"""Mean difference, over the tags, of the share right at equal scores."""
FALL_BOUND: Final = 0.03
"""Points of Jaccard."""

LEAST_DRAFTS: Final = 200
LEAST_POSTED: Final = 100
"""Below these there is too little to judge by."""

UNRECORDED_BOUND: Final = 0.1
"""Share of a day's answers that could not be recorded, above which the day is an outage."""
USUAL_LEAST: Final = 10
"""Suggestions of a usual day from which on a day without any is an outage."""
BAD_BOUND: Final = 0.05
BAD_TIMES: Final = 5
BAD_LEAST: Final = 20
"""A day has bad input if so large a share of what came was refused, so many times the usual share, and so many."""

RESAMPLES: Final = 500
SURE: Final = NormalDist().inv_cdf(distance.CHANCE)
"""Standard deviations that chance passes once in a thousand times."""


def findings(traffic: Traffic, reference: Reference, *, seed: int = 1) -> dict[str, Any]:
    """Compare what came in with a reference; the key figures as JSON holds them, which the service imports.

    Only drafts that the reference's version answered, on days that were not bad, are compared.
    """
    bad = disturbances(traffic.days)
    drafts = compared(traffic, reference)
    posted = [draft for draft in drafts if draft.posted]
    columns = [column_findings(drafts, reference, column, seed) for column in COLUMNS]
    relation = relation_findings(posted, reference, seed)
    performance = performance_findings(posted, reference, seed)
    found = sorted({each["kind"] for each in bad}, reverse=True)
    found += ["data"] if any(column["drifted"] for column in columns) else []
    found += ["concept"] if relation["drifted"] else []
    found += ["model"] if performance["drifted"] else []
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
        "found": found,
        "columns": columns,
        "relation": relation,
        "performance": performance,
        "disturbances": bad,
    }


def compared(traffic: Traffic, reference: Reference) -> list[Judged]:
    """Return the drafts that are compared: of the reference's version, on days that were not bad."""
    version = reference.model_version
    return [draft for draft in on_good_days(traffic) if draft.model_version == version]


def on_good_days(traffic: Traffic) -> list[Judged]:
    """Return the drafts of days that were not bad."""
    bad_days = {each["day"] for each in disturbances(traffic.days)}
    return [draft for draft in traffic.drafts if draft.day not in bad_days]


def disturbances(days: Sequence[Day]) -> list[dict[str, str]]:
    """Find the days that say nothing about drift: {day, kind: outage or bad_input, words}.

    Days before the first answer are none: perhaps the service had not begun.
    """
    days = list(dropwhile(lambda day: not (day.recorded + day.unrecorded + day.without_consent), days))
    usual = median([day.recorded for day in days]) if days else 0
    usual_bad = median([_bad_share(day) for day in days]) if days else 0
    found = []
    for day in days:
        answered = day.recorded + day.unrecorded
        if day.unrecorded and day.unrecorded / answered > UNRECORDED_BOUND:
            words = f"{day.unrecorded:,} of {answered:,} answers could not be recorded."
            found.append({"day": day.day, "kind": "outage", "words": words})
        elif not answered and not day.without_consent and usual >= USUAL_LEAST:
            words = f"Not one suggestion; {usual:,.0f} on a usual day."
            found.append({"day": day.day, "kind": "outage", "words": words})
        elif _bad(day) >= BAD_LEAST and _bad_share(day) > max(BAD_BOUND, BAD_TIMES * usual_bad):
            words = (
                f"{_bad_share(day):.1%} of what came was refused, {usual_bad:.1%} on a usual day: {day.malformed:,} "
                f"malformed requests, {day.refused:,} events, {day.unknown_site:,} drafts of unknown sites."
            )
            found.append({"day": day.day, "kind": "bad_input", "words": words})
    return found


def _bad(day: Day) -> int:
    return day.malformed + day.refused + day.unknown_site


def _bad_share(day: Day) -> float:
    return _bad(day) / max(day.recorded + day.unrecorded + day.without_consent + day.events + _bad(day), 1)


def column_findings(drafts: Sequence[Judged], reference: Reference, column: str, seed: int) -> dict[str, Any]:
    """Compare one column: {column, psi, psi_noise, js, js_noise, drifted}; drifted is None of too few drafts."""
    before, now = column_counts(drafts, reference, column)
    psi, js = float(distance.psi(before, now)), float(distance.jensen_shannon(before, now))
    psi_noise, js_noise = distance.noise(before, now, seed)
    figures = {"psi": psi, "psi_noise": psi_noise, "js": js, "js_noise": js_noise}
    drifted = None if len(drafts) < LEAST_DRAFTS else psi > max(PSI_BOUND, psi_noise)
    return {"column": column} | {name: round(value, 4) for name, value in figures.items()} | {"drifted": drifted}


def column_counts(drafts: Sequence[Judged], reference: Reference, column: str) -> tuple[Ints, Ints]:
    """Return the counts of the reference and of the drafts over the reference's categories."""
    if column != BEST_TAG:
        return np.array(reference.columns[column]), counted(drafts, column)
    place = {tag: i for i, tag in enumerate(reference.best_tags)}
    now = np.zeros(len(place), np.int64)
    for draft in drafts:
        now[place.get(best_tag(draft), place[OTHER])] += 1
    return np.array(list(reference.best_tags.values())), now


def relation_findings(posted: Sequence[Judged], reference: Reference, seed: int) -> dict[str, Any]:
    """Compare the share of right tags at equal scores: {n, shift, noise, drifted, bands}.

    ``shift`` is the mean absolute difference over the bands of scores, weighted by the tags offered now: the same
    whatever the mix of scores has become. Drafts are drawn anew for its noise, since tags of one draft are not
    independent.
    """
    offered = np.array([bands_of(draft, RANKS) for draft in posted], float).reshape(len(posted), BANDS)
    right = np.array([right_by_band(draft) for draft in posted], float).reshape(len(posted), BANDS)
    n = offered.sum(axis=0)
    share, before = right.sum(axis=0) / np.maximum(n, 1), reference.share_right

    def shift_of(differences: Values) -> Values:
        return np.asarray((np.abs(differences) * n).sum(axis=-1) / max(float(n.sum()), 1.0))

    random = np.random.default_rng(seed)
    again = np.array([(drawn @ right) / np.maximum(drawn @ offered, 1) for drawn in _resampled(len(posted), random)])
    by_chance = shift_of(np.where(n > 0, again - share, 0) + _drawn_shares(reference, random) - before)
    shift, noise = float(shift_of(share - before)), float(by_chance.mean() + SURE * by_chance.std())
    return {
        "n": int(n.sum()),
        "shift": round(shift, 4),
        "noise": round(noise, 4),
        "drifted": None if len(posted) < LEAST_POSTED else shift > max(SHIFT_BOUND, noise),
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


def _resampled(n: int, random: np.random.Generator) -> Iterator[Values]:
    """Return how often each of n drafts is drawn, [n], resample by resample: of a year's drafts all would not fit."""
    for _ in range(RESAMPLES):
        yield np.bincount(random.integers(0, n, n), minlength=n).astype(float) if n else np.zeros(0)


def _drawn_shares(reference: Reference, random: np.random.Generator) -> Values:
    """Draw the reference's shares of right tags as they may truly be, [RESAMPLES, BANDS]."""
    right, offered = np.array(reference.right), np.array(reference.offered)
    return random.beta(right + 0.5, offered - right + 0.5, (RESAMPLES, BANDS))


@dataclass(frozen=True, slots=True)
class Change:
    """A change of performance and what it is made of; the three parts add up to the whole."""

    whole: float
    by_inputs: float
    by_relation: float
    by_model: float


def performance_findings(posted: Sequence[Judged], reference: Reference, seed: int) -> dict[str, Any]:
    """Compare the Jaccard of posted drafts, and tell its change apart: {n, jaccard, …, drifted}, see ``_told``.

    Intervals are of 99.8 %, by a bootstrap over drafts, the reference's own error included.
    """
    before = reference.performance
    strata_before = np.array(before.n, float)
    told: dict[str, Any] = {
        "n": len(posted),
        "jaccard": None,
        "reference": round(float((np.array(before.expected) + before.over).sum() / strata_before.sum()), 4),
        **dict.fromkeys(("change", "by_inputs", "by_relation", "by_model", "unknown")),
        "unknown_reference": round(reference.unknown_tags / max(reference.posted_tags, 1), 4),
        "drifted": None,
    }
    if not posted:
        return told
    jaccard, bands, both, strata = jaccards(posted), shown_bands(posted), shape(posted), strata_of(posted)
    expected_before, over_before = _means(before.n, before.expected), _means(before.n, before.over)
    once = np.ones(len(posted))
    change = _change(
        jaccard,
        expected_jaccards(bands, both, reference.share_right),
        once,
        strata,
        strata_before,
        expected_before,
        over_before,
    )
    random = np.random.default_rng(seed)
    shares = _drawn_shares(reference, random)
    errors = [
        _errors(before.n, before.expected, before.expected_squares),
        _errors(before.n, before.over, before.over_squares),
    ]
    again = []
    for weights, share in zip(_resampled(len(posted), random), shares, strict=True):
        expected_mean, over_mean = (
            mean + random.normal(0, error) for mean, error in zip((expected_before, over_before), errors, strict=True)
        )
        again.append(
            _change(
                jaccard,
                expected_jaccards(bands, both, share),
                weights,
                strata,
                strata_before,
                expected_mean,
                over_mean,
            )
        )

    def measured(part: str) -> dict[str, float]:
        value = getattr(change, part)
        spread = SURE * float(np.std([getattr(each, part) for each in again]))
        return {
            name: round(of, 4) for name, of in (("value", value), ("low", value - spread), ("high", value + spread))
        }

    told["jaccard"] = round(float(jaccard.mean()), 4)
    told["change"] = measured("whole")
    told |= {part: measured(part) for part in ("by_inputs", "by_relation", "by_model")}
    told["unknown"] = round(sum(draft.unknown for draft in posted) / sum(draft.posted or 0 for draft in posted), 4)
    if len(posted) >= LEAST_POSTED:
        told["drifted"] = told["by_model"]["value"] <= -FALL_BOUND and told["by_model"]["high"] < 0
    return told


def _change(
    jaccard: Values,
    expected: Values,
    weights: Values,
    strata: Ints,
    strata_before: Values,
    expected_before: Values,
    over_before: Values,
) -> Change:
    """Tell a change of the mean Jaccard apart.

    With J the Jaccard, E the one expected by the scores at the reference's relation, ' the reference, and w the drafts
    weighted to the reference's mix of strata, of those strata that both have:
    by the relation (J - E) - (J' - E'), by the model E_w - E'_shared, and by the inputs what is left of E - E'.

    Args:
        jaccard, expected: of each draft.
        weights: how often each draft counts.
        strata: of each draft.
        strata_before: drafts of the reference in each stratum.
        expected_before, over_before: the reference's means of E and J - E in each stratum.
    """
    n = np.bincount(strata, weights, minlength=len(STRATA))
    by_stratum = np.bincount(strata, weights * expected, minlength=len(STRATA)) / np.maximum(n, 1e-9)
    shared = np.where(n > 0, strata_before, 0)
    mix_before = strata_before / strata_before.sum()
    mix_shared = shared / max(shared.sum(), 1e-9)
    now, e_now = float(weights @ jaccard / weights.sum()), float(weights @ expected / weights.sum())
    e_before, o_before = float(mix_before @ expected_before), float(mix_before @ over_before)
    by_model = float(mix_shared @ by_stratum - mix_shared @ expected_before)
    return Change(
        whole=now - e_before - o_before,
        by_relation=now - e_now - o_before,
        by_model=by_model,
        by_inputs=e_now - e_before - by_model,
    )


def _means(n: Sequence[int], sums: Sequence[float]) -> Values:
    return np.array(sums) / np.maximum(n, 1)


def _errors(n: Sequence[int], sums: Sequence[float], squares: Sequence[float]) -> Values:
    """Return the standard errors of the means of each stratum."""
    of = np.maximum(n, 1)
    variance = np.maximum(np.array(squares) / of - (np.array(sums) / of) ** 2, 0)
    return np.sqrt(variance / of)


def verdict(found: Mapping[str, Any]) -> str:
    """Return what was found; "no drift" only of drafts enough to see one. The service says the same of an import."""
    parts = [kind.replace("_", " ") for kind in found["found"]]
    return "; ".join(filter(None, [", ".join(parts), limit(found)])) or "no drift"


def limit(found: Mapping[str, Any]) -> str:
    """Return why nothing could be judged; empty if something could."""
    if not found["drafts"]:
        counts = {"other versions": found["other_versions"], "bad days": found["left_out"] - found["other_versions"]}
        left_out = " and ".join(f"{_drafts(n)} of {which}" for which, n in counts.items() if n)
        return f"nothing to judge: {f'{left_out} left out' if left_out else 'no drafts came in'}"
    judged = [*found["columns"], found["relation"], found["performance"]]
    if all(each["drifted"] is None for each in judged):
        return f"too few to judge: {_drafts(found['drafts'])}"
    return ""


def _drafts(n: int) -> str:
    return f"{n:,} draft{'' if n == 1 else 's'}"


def in_words(found: Mapping[str, Any]) -> list[str]:
    """Put findings into lines for a terminal."""
    lines = [
        f"{found['since']} to {found['until']}: {found['drafts']:,} drafts that {found['model_version']} answered, "
        f"against {found['reference']}" + (f"; {found['left_out']:,} left out" if found["left_out"] else ""),
        f"found: {verdict(found)}",
    ]
    lines += [f"{each['day']} {each['kind'].replace('_', ' ')}: {each['words']}" for each in found["disturbances"]]
    lines += ["", f"{'column':<14}{'PSI':>8}{'noise':>8}{'JS':>8}{'noise':>8}"]
    lines += [
        f"{each['column']:<14}{each['psi']:>8.3f}{each['psi_noise']:>8.3f}{each['js']:>8.3f}{each['js_noise']:>8.3f}  "
        + _word(each["drifted"])
        for each in found["columns"]
    ]
    relation, performance = found["relation"], found["performance"]
    lines += [
        "",
        f"share right at equal scores, {relation['n']:,} tags: differs by {relation['shift']:.3f}, "
        f"noise {relation['noise']:.3f}  {_word(relation['drifted'])}",
        f"Jaccard of {performance['n']:,} posted drafts: {_number(performance['jaccard'])}, "
        f"reference {performance['reference']:.3f}",
    ]
    if performance["change"]:
        lines += [
            f"  {name:<26}{of['value']:+.3f} ({of['low']:+.3f} to {of['high']:+.3f})"
            for name, of in (
                ("change", performance["change"]),
                ("by other inputs", performance["by_inputs"]),
                ("by another relation", performance["by_relation"]),
                ("the rest: by the model", performance["by_model"]),
            )
        ]
        lines[-1] += f"  {_word(performance['drifted'])}"
    lines.append(
        f"posted tags that it does not know: {_number(performance['unknown'])}, "
        f"reference {performance['unknown_reference']:.3f}"
    )
    return lines


def _word(drifted: bool | None) -> str:
    return "too few to judge" if drifted is None else "drifted" if drifted else ""


def _number(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.3f}"
