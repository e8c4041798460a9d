"""The key figures that `tagalong-model drift` writes, checked when they are imported."""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

DriftKind = Literal["data", "concept", "model"]
DisturbanceKind = Literal["outage", "bad_input"]
Kind = Literal["ask", "edit", "try", "demo"]

Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
ShortText = Annotated[str, StringConstraints(max_length=500)]
Count = Annotated[int, Field(ge=0)]


COLUMN_TITLES = {
    "title_chars": "length of the title",
    "body_chars": "length of the body",
    "chosen": "number of tags already chosen",
    "best_score": "score of the best tag",
    "confident": "number of confident tags",
    "best_tag": "best tag",
}
"""The columns that `tagalong-model drift` compares, in words."""

FOUND_WORDS = {
    "data": "the drafts have changed",
    "concept": "at the same scores, other tags are right",
    "model": "suggestions fit worse, and neither the drafts nor the tags explain it",
    "outage": "some days had no answers",
    "bad_input": "some days had bad input",
}
"""What was found, in words."""


class FindingsPart(BaseModel):
    """A part of the file: unknown fields are ignored, numbers are finite."""

    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Column(FindingsPart):
    """How far one column is from the reference. ``drifted`` is null where there is too little to judge by."""

    column: Name
    psi: float
    psi_noise: float
    js: float
    js_noise: float
    drifted: bool | None

    @property
    def title(self) -> str:
        """The column in words."""
        return COLUMN_TITLES.get(self.column, self.column.replace("_", " "))


class Estimate(FindingsPart):
    """A value with bounds that chance passes once in a thousand times on either side."""

    value: float
    low: float
    high: float


class Relation(FindingsPart):
    """How far the share of right tags at equal scores is from the reference's; ``n`` is in tags."""

    n: Count
    shift: float
    noise: float
    drifted: bool | None


class Performance(FindingsPart):
    """Jaccard of posted drafts against the reference, and the parts of its change."""

    n: Count
    jaccard: float | None
    reference: float
    change: Estimate | None
    by_inputs: Estimate | None
    by_relation: Estimate | None
    by_model: Estimate | None
    unknown: float | None
    unknown_reference: float
    drifted: bool | None


class Disturbance(FindingsPart):
    """A day that was left out, since it says nothing about drift."""

    day: date
    kind: DisturbanceKind
    words: ShortText


class Findings(FindingsPart):
    """All key figures of one span of days."""

    format: Literal[1]
    kind: Kind
    since: date
    until: date
    model_version: Name
    reference: ShortText
    drafts: Count
    left_out: Count
    other_versions: Count | None = None
    found: Annotated[list[DriftKind | DisturbanceKind], Field(max_length=5)]
    columns: Annotated[list[Column], Field(max_length=50)]
    relation: Relation
    performance: Performance
    disturbances: Annotated[list[Disturbance], Field(max_length=4_000)]

    @property
    def verdict(self) -> str:
        """The verdict in the words of `tagalong-model drift`; "no drift" only where drift could have been seen."""
        parts = [kind.replace("_", " ") for kind in self.found]
        return "; ".join(filter(None, [", ".join(parts), self.limit])) or "no drift"

    @property
    def found_in_words(self) -> str:
        """What was found, without the terms of the verdict; empty if nothing was."""
        drifted = ", ".join(column.title for column in self.columns if column.drifted)
        return "; ".join(
            FOUND_WORDS[kind] + (f" ({drifted})" if kind == "data" and drifted else "") for kind in self.found
        )

    @property
    def limit(self) -> str:
        """Why nothing could be judged; empty if something could."""
        if not self.drafts:
            other = self.left_out if self.other_versions is None else self.other_versions
            counts = {"other versions": other, "bad days": self.left_out - other}
            left_out = " and ".join(f"{_drafts(n)} of {which}" for which, n in counts.items() if n)
            return f"nothing to judge: {f'{left_out} left out' if left_out else 'no drafts came in'}"
        flags = [*(column.drifted for column in self.columns), self.relation.drifted, self.performance.drifted]
        return f"too few to judge: {_drafts(self.drafts)}" if all(flag is None for flag in flags) else ""


def _drafts(n: int) -> str:
    return f"{n:,} draft{'' if n == 1 else 's'}"
