"""Traffic with a known truth, as the service exports it: in each kind of it, one thing and nothing else is another."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

import numpy as np

from model.drift.traffic import Traffic, parse_export

VERSION = "light-generated"
TAGS = [f"tag-{n}" for n in range(60)]
SINCE = date(2026, 10, 1)


def as_scored(score: float) -> float:
    """What a calibrated model promises."""
    return score


@dataclass(frozen=True)
class World:
    """How drafts are written and tags posted.

    Attributes:
        days, drafts: how many days, and how many drafts on each.
        lengths: share of drafts by length of the body: none, short, middle, long.
        relation: how likely a tag of a score is posted.
        missed: posted tags that are not offered, on average.
        unknown: of those, the share that no model could know.
        zipf: how much commoner the common tags are.
        bad_day: one day's counts that are not as usual.
    """

    days: int = 14
    drafts: int = 120
    lengths: tuple[float, ...] = (0.05, 0.3, 0.4, 0.25)
    relation: Callable[[float], float] = as_scored
    missed: float = 1.0
    unknown: float = 0.1
    zipf: float = 1.0
    chosen: float = 0.05
    bad_day: tuple[tuple[str, int], ...] = ()


USUAL = World()


def lines(world: World, seed: int) -> list[str]:
    """The lines of an export."""
    random = np.random.default_rng(seed)
    until = SINCE + timedelta(days=world.days - 1)
    told: list[dict[str, Any]] = [
        {"what": "export", "format": 1, "since": str(SINCE), "until": str(until), "kind": "ask"}
    ]
    for number in range(world.days):
        day = str(SINCE + timedelta(days=number))
        odd = dict(world.bad_day) if number == 6 else {}
        recorded = odd.get("recorded", world.drafts)
        counts = {"recorded": recorded, "events": 4 * recorded, "without_consent": 30}
        counts |= dict.fromkeys(("unrecorded", "unknown_site", "malformed", "refused"), 0) | {"malformed": 1}
        told.append({"what": "day", "day": day} | counts | odd)
        told += [{"what": "suggestion", "day": day} | a_draft(world, random) for _ in range(recorded)]
    return [json.dumps(each) + "\n" for each in told]


def a_draft(world: World, random: np.random.Generator) -> dict[str, Any]:
    stratum = int(random.choice(4, p=world.lengths))
    body = (0, *random.integers((1, 500, 1500), (500, 1500, 6000)))[stratum]
    # A longer draft says more, so that the model is surer of it.
    best = random.beta(2 + stratum, 2)
    scores = np.sort(np.concatenate([[best], best * random.random(4)]))[::-1]
    weights = 1 / np.arange(1, len(TAGS) + 1) ** world.zipf
    tags = random.choice(TAGS, 5, replace=False, p=weights / weights.sum())
    right = [bool(random.random() < world.relation(score)) for score in scores]
    missed = int(random.poisson(world.missed)) + (not any(right))
    posted = sum(right) + missed
    chosen = int(random.random() < world.chosen)
    is_posted = random.random() < 0.6
    return {
        "judged": True,
        "site": "stackoverflow.com",
        "page": "svelte",
        "model_version": VERSION,
        "title_chars": int(np.clip(random.normal(60, 18), 5, 150)),
        "body_chars": int(body),
        "chosen": chosen,
        "tags": list(tags),
        "scores": [round(float(score), 4) for score in scores],
        "confident": max(1, int((scores > 0.25).sum())),
        "posted": posted if is_posted else None,
        "right": right if is_posted else None,
        "unknown": int(random.binomial(missed, world.unknown)) if is_posted else None,
    }


def traffic(world: World = USUAL, seed: int = 1, **changes: object) -> Traffic:
    """Traffic of a world."""
    return parse_export(lines(replace(world, **changes), seed), "generated")  # type: ignore[arg-type]
