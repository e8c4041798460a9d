"""The statement that counts answers by how long the model took."""

import math

from sqlalchemy import ColumnElement, Integer, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Selection
from backend.acceptance.percentiles import SHORTEST, STEP
from backend.acceptance.queries.grouping import Rows, answer_conditions, draft_matches, falls_within
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import day_of


def select_latencies(selection: Selection) -> Rows:
    """Count answers by their draft's start and by latency band (see `backend.acceptance.percentiles`)."""
    keys = [
        day_of(Draft.started_at).label("day"),
        Draft.kind.label("kind"),
        Suggestion.model_version.label("model_version"),
        Draft.site.label("site"),
        Suggestion.origin.label("origin"),
        _latency_band(Suggestion.latency_ms).label("milliseconds"),
    ]
    return (
        select(*keys, func.count().label("n"))
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(
            falls_within(Draft.started_at, selection),
            draft_matches(selection),
            *answer_conditions(Suggestion, selection),
        )
        .group_by(*keys)
    )


def _latency_band(latency: InstrumentedAttribute[float]) -> ColumnElement[int]:
    return cast(func.floor(func.ln(func.greatest(latency, SHORTEST)) / math.log(STEP)), Integer)
