"""The statement that counts answers by how long the model took."""

import math

from sqlalchemy import ColumnElement, Integer, cast, func, select
from sqlalchemy.orm import InstrumentedAttribute

from backend.acceptance.filters import Selection
from backend.acceptance.percentiles import SHORTEST, STEP
from backend.acceptance.queries.grouping import Rows, draft_matches, falls_within
from backend.drafts.tables import Draft, Suggestion
from backend.postgres.base import day_of


def select_latencies(selection: Selection) -> Rows:
    """Count answers by their draft's start and by latency band (see `backend.acceptance.percentiles`)."""
    keys = [
        day_of(Draft.started_at).label("day"),
        Draft.kind.label("kind"),
        Suggestion.model_version.label("model_version"),
        Draft.site.label("site"),
        _latency_band(Suggestion.latency_ms).label("milliseconds"),
    ]
    statement = (
        select(*keys, func.count().label("n"))
        .join(Draft, Draft.id == Suggestion.draft_id)
        .where(falls_within(Draft.started_at, selection), draft_matches(selection))
        .group_by(*keys)
    )
    if selection.model_version is None:
        return statement
    return statement.where(Suggestion.model_version == selection.model_version)


def _latency_band(latency: InstrumentedAttribute[float]) -> ColumnElement[int]:
    return cast(func.floor(func.ln(func.greatest(latency, SHORTEST)) / math.log(STEP)), Integer)
