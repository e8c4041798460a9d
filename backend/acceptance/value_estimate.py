"""What suggestions are worth, and what they cost: estimates, each with the assumption that it rests on."""

from dataclasses import dataclass

from backend.acceptance.figures import Counts

SECONDS_PER_TAG = 4.0
"""Assumed: how much longer it takes to think of a tag, type it and choose it from the page's list than to click."""

PRICE_PER_CORE_HOUR = 0.04
"""Assumed: US dollars for an hour of one core of a rented server."""


@dataclass(frozen=True, slots=True)
class ValueEstimate:
    """Estimates for one selection of drafts.

    Attributes:
        helped_drafts: drafts with an accepted chip.
        clicked_tags: tags clicked instead of typed.
        saved_seconds: of writers' time, by ``SECONDS_PER_TAG``.
        cost_of_a_thousand: US dollars for the model's work on a thousand answers, by ``PRICE_PER_CORE_HOUR``;
            None without answers.
    """

    helped_drafts: int
    clicked_tags: int
    saved_seconds: float
    cost_of_a_thousand: float | None


def estimate_value(counts: Counts, milliseconds: float | None) -> ValueEstimate:
    """Estimate from counts and the median milliseconds per answer (None without answers)."""
    cost = None if milliseconds is None else milliseconds / 3_600_000 * PRICE_PER_CORE_HOUR * 1000
    return ValueEstimate(counts.helped_drafts, counts.accepted, counts.accepted * SECONDS_PER_TAG, cost)
