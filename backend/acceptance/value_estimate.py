"""What suggestions are worth, and what they cost: estimates, each with the assumption that it rests on."""

from dataclasses import dataclass

from backend.acceptance.figures import Counts


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What the estimates assume.

    Attributes:
        seconds_per_tag: how much longer it takes to think of a tag, type it and choose it from the page's list than to
            click.
        price_per_core_hour: US dollars for an hour of one core of a rented server.
    """

    seconds_per_tag: float = 4.0
    price_per_core_hour: float = 0.04


USUAL = Assumptions()


@dataclass(frozen=True, slots=True)
class ValueEstimate:
    """Estimates for one selection of drafts.

    Attributes:
        helped_drafts: drafts with an accepted chip.
        clicked_tags: tags clicked instead of typed.
        saved_seconds: of writers' time.
        cost_of_a_thousand: US dollars for the model's work on a thousand answers; None without answers.
        assumptions: what the last two rest on.
    """

    helped_drafts: int
    clicked_tags: int
    saved_seconds: float
    cost_of_a_thousand: float | None
    assumptions: Assumptions


def estimate_value(counts: Counts, milliseconds: float | None, assumptions: Assumptions) -> ValueEstimate:
    """Estimate from counts and the median milliseconds per answer (None without answers)."""
    cost = None if milliseconds is None else milliseconds / 3_600_000 * assumptions.price_per_core_hour * 1000
    saved = counts.accepted * assumptions.seconds_per_tag
    return ValueEstimate(counts.helped_drafts, counts.accepted, saved, cost, assumptions)
