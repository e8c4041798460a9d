"""What came in, as the service exports it: read from its lines, and put into arrays and categories.

Of every draft one suggestion is looked at, the *judged* one: its last while no tag was chosen. So drafts are compared
with the questions that a model is measured on, and no draft counts twice.
"""

import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.questions import RANKS
from model.runs.arrays import Ints

FORMAT: Final = 1

EDGES: Final[Mapping[str, tuple[float, ...]]] = {
    "title_chars": (0, 20, 30, 40, 50, 60, 70, 80, 100, 120),
    "body_chars": (0, 1, 150, 300, 500, 750, 1_000, 1_500, 2_000, 3_000),
    "chosen": (0, 1, 2, 3, 4),
    "best_score": (0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
    "confident": (0, 1, 2, 3, 4, 5),
}
"""Where each category of a column of numbers begins; the last has no end. About ten, as is usual for the PSI.

The model reads 3,000 characters of a body, and the questions it is measured on are cut there."""
BEST_TAG: Final = "best_tag"
OTHER: Final = "other"
NO_TAG: Final = "(none)"
COLUMNS: Final = (*EDGES, BEST_TAG)
"""All columns. A model of one version is a fixed function: its answers (the last three) move only if drafts do."""

BANDS: Final = 10
"""Bands of equal width that scores are put into."""
STRATA: Final = (0, 1, 500, 1_500)
"""Characters of the body at which a stratum of equal inputs begins: none, short, middle, long."""

Values = NDArray[np.float64]


class TrafficError(Exception):
    """A file is not what the service exports; the message says where and what to do."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day's counts, of all real kinds of drafts together, or of the demo's."""

    day: str
    recorded: int
    unrecorded: int
    without_consent: int
    unknown_site: int
    malformed: int
    events: int
    refused: int


@dataclass(frozen=True, slots=True)
class JudgedDraft:
    """The judged suggestion of one draft.

    Attributes:
        tags, scores: the answer, best first.
        confident: how many of the tags were shown.
        posted: how many tags were posted; None: not posted.
        right: which of the tags were posted; empty if not posted.
        unknown: how many of the posted tags no model could have known.
    """

    day: str
    model_version: str
    title_chars: int
    body_chars: int
    chosen: int
    tags: tuple[str, ...]
    scores: tuple[float, ...]
    confident: int
    posted: int | None
    right: tuple[bool, ...]
    unknown: int


@dataclass(frozen=True, slots=True)
class Traffic:
    """What came in, from one day to another, of one kind of drafts: ``ask``, ``edit``, ``try`` or ``demo``.

    ``serving`` is the version that the service answered with when it exported; None in exports of older services.
    """

    kind: str
    since: str
    until: str
    days: Sequence[Day]
    drafts: Sequence[JudgedDraft]
    serving: str | None = None


def read_export(path: Path) -> Traffic:
    """Read an export, compressed or not.

    Raises:
        TrafficError: it can't be read, or is no export.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
            return parse_export(file, path.name)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise TrafficError(f"{path} cannot be read: {error}.") from error


def parse_export(lines: Iterable[str], name: str) -> Traffic:
    """Read the lines of an export.

    Raises:
        TrafficError: a line is not what the service writes.
    """
    span: dict[str, Any] = {}
    serving: str | None = None
    days: list[Day] = []
    drafts: list[JudgedDraft] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            what = row.pop("what")
            if number == 1:
                if what != "export" or row["format"] != FORMAT:
                    raise ValueError(f"not an export of format {FORMAT}")
                span = {name: str(row[name]) for name in ("kind", "since", "until")}
                serving = str(row["serving"]) if row.get("serving") else None
            elif what == "day":
                days.append(Day(**{field: row[field] for field in Day.__slots__}))
            elif what == "suggestion" and row["judged"]:
                drafts.append(_parse_judged(row))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise TrafficError(
                f"{name}, line {number} is not what `tagalong-server export` writes: {error}. Export again."
            ) from error
    if not span:
        raise TrafficError(f"{name} is empty. Export again.")
    return Traffic(span["kind"], span["since"], span["until"], days, drafts, serving)


def _parse_judged(row: Mapping[str, Any]) -> JudgedDraft:
    tags, scores = tuple(map(str, row["tags"])), tuple(map(float, row["scores"]))
    right = tuple(map(bool, row["right"] or ()))
    if len(tags) != len(scores) or (row["posted"] is not None and len(right) != len(tags)):
        raise ValueError("tags, scores and right are not of one length")
    return JudgedDraft(
        day=str(row["day"]),
        model_version=str(row["model_version"]),
        title_chars=int(row["title_chars"]),
        body_chars=int(row["body_chars"]),
        chosen=int(row["chosen"]),
        tags=tags[:RANKS],
        scores=scores[:RANKS],
        confident=min(int(row["confident"]), RANKS),
        posted=None if row["posted"] is None else int(row["posted"]),
        right=right[:RANKS],
        unknown=int(row["unknown"] or 0),
    )


def column_values(drafts: Sequence[JudgedDraft], column: str) -> Values:
    """Return a column of numbers, one a draft."""
    if column == "best_score":
        return np.array([draft.scores[0] if draft.scores else 0.0 for draft in drafts])
    return np.array([getattr(draft, column) for draft in drafts], float)


def count_categories(drafts: Sequence[JudgedDraft], column: str) -> Ints:
    """Count the drafts in each category of a column of numbers."""
    edges = EDGES[column]
    return np.bincount(np.searchsorted(edges, column_values(drafts, column), side="right") - 1, minlength=len(edges))


def best_tag(draft: JudgedDraft) -> str:
    """Return the tag that the model put first."""
    return draft.tags[0] if draft.tags else NO_TAG


def category_names(column: str) -> list[str]:
    """Name the categories of a column of numbers: ``20 to 29``, ``120 and more``; of scores, ``0.1 to 0.2``."""
    edges = EDGES[column]
    last = 0 if column == "best_score" else 1
    names = [
        f"{first:g}" if following - last == first else f"{first:g} to {following - last:g}"
        for first, following in pairwise(edges)
    ]
    return [*names, f"{edges[-1]:g} and more"]


def count_bands(draft: JudgedDraft, among: int) -> Ints:
    """Count the first ``among`` tags of an answer by the band of their score, [BANDS]."""
    bands = [min(int(score * BANDS), BANDS - 1) for score in draft.scores[:among]]
    return np.bincount(bands, minlength=BANDS)


def count_right_bands(draft: JudgedDraft) -> Ints:
    """Count the right tags of an answer by the band of their score, [BANDS]."""
    bands = [
        min(int(score * BANDS), BANDS - 1) for score, right in zip(draft.scores, draft.right, strict=True) if right
    ]
    return np.bincount(bands, minlength=BANDS)


def find_strata(drafts: Sequence[JudgedDraft]) -> Ints:
    """Return the stratum of equal inputs of each draft."""
    return np.asarray(np.searchsorted(STRATA, [draft.body_chars for draft in drafts], side="right") - 1, np.int64)
