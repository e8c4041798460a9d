"""What suggestions are worth, and what they cost: estimates, each beside the assumption that it rests on."""

from dataclasses import dataclass

from backend.acceptance.figures import Counts

SECONDS_A_TAG = 4.0
"""Assumed: to think of a tag, type it and choose it from the page's list takes so much longer than a click."""

PRICE_OF_A_CORE_HOUR = 0.04
"""Assumed: US dollars for an hour of one core of a rented server."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Estimates for one selection of drafts.

    Attributes:
        helped_drafts: drafts with an accepted chip.
        clicked_tags: tags clicked instead of typed.
        saved_seconds: of writers, by ``SECONDS_A_TAG``.
        cost_of_a_thousand: US dollars for the model's work on a thousand answers, by ``PRICE_OF_A_CORE_HOUR``;
            None without answers.
    """

    helped_drafts: int
    clicked_tags: int
    saved_seconds: float
    cost_of_a_thousand: float | None


def worth(counts: Counts, milliseconds: float | None) -> Worth:
    """Estimate from counts, and from the usual milliseconds an answer (None: there was none)."""
    cost = None if milliseconds is None else milliseconds / 3_600_000 * PRICE_OF_A_CORE_HOUR * 1000
    return Worth(counts.helped_drafts, counts.accepted, counts.accepted * SECONDS_A_TAG, cost)
