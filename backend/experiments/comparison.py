"""Figures of the two arms of an experiment, with the difference between them."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from backend.experiments import guardrails, verdict
from backend.experiments.installs import Installs
from backend.experiments.strata import share_by_arm
from backend.experiments.verdict import MAX_DRAFTS, MAX_ITEMS, Estimate, RateDifference


@dataclass(frozen=True, slots=True)
class ComparedFigure:
    """A figure that is compared by install: hits of trials, an install counting up to ``most`` of these units.

    ``no_trials`` says why an arm has no such figure.
    """

    name: str
    title: str
    unit: str
    hits: str
    trials: str
    most: float
    no_trials: str


ACCEPTANCE = ComparedFigure("acceptance", "Acceptance", "items", "accepted", "viewed", MAX_ITEMS, "no chip seen yet")
"""The figure that decides the verdict."""

# Installs of each arm without which not even one look shows a difference.
MIN_INSTALLS_AT_VERDICT = 2

COMPARED_FIGURES = (
    ACCEPTANCE,
    ComparedFigure("kept", "Kept", "items", "kept", "posted_viewed", MAX_ITEMS, "nothing posted yet"),
    ComparedFigure("agreement", "Agreement", "items", "agreed", "posted_viewed", MAX_ITEMS, "nothing posted yet"),
    ComparedFigure("jaccard", "Jaccard", "drafts", "jaccard_sum", "union_n", MAX_DRAFTS, "nothing posted yet"),
)


@dataclass(frozen=True, slots=True)
class ArmComparison:
    """A figure of both arms and the difference; None where there is nothing to count.

    Attributes:
        figure: which.
        trials: items or drafts of champion and challenger, before any cap.
        champion, challenger: the figure of each arm.
        difference: with bounds that hold however often one looks, and so are wide; at the verdict, those of one look.
        lack: why there is no difference; None if there is one.
    """

    figure: ComparedFigure
    trials: tuple[int, int]
    champion: Estimate | None
    challenger: Estimate | None
    difference: RateDifference | None
    lack: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the comparison as JSON, without what the figure is."""
        parts = {"champion": self.champion, "challenger": self.challenger, "difference": self.difference}
        return {"trials": self.trials, "lack": self.lack} | {
            name: None if part is None else asdict(part) for name, part in parts.items()
        }

    @classmethod
    def from_json(cls, figure: ComparedFigure, stored: dict[str, Any]) -> "ArmComparison":
        """Return the comparison that `to_json` made."""
        champion, challenger, difference = (stored[name] for name in ("champion", "challenger", "difference"))
        champion_trials, challenger_trials = stored["trials"]
        return cls(
            figure,
            (champion_trials, challenger_trials),
            None if champion is None else Estimate(**champion),
            None if challenger is None else Estimate(**challenger),
            None if difference is None else RateDifference(**difference),
            # Stored by an older release, it has none.
            stored.get("lack"),
        )


def compare_arms(figure: ComparedFigure, installs: Installs, *, once: bool) -> ArmComparison:
    """Compare a figure between the arms.

    Args:
        figure: which.
        installs: of the experiment.
        once: whether the difference is looked at once, at the horizon, or again and again.
    """
    samples = installs.samples(figure.hits, figure.trials)
    shares = share_by_arm(*samples, figure.most)
    champion, challenger = verdict.make_estimate(shares.champion), verdict.make_estimate(shares.challenger)
    if champion is None and challenger is None:
        return ArmComparison(figure, (0, 0), None, None, None, figure.no_trials)
    lack = guardrails.describe_lack(shares, MIN_INSTALLS_AT_VERDICT if once else guardrails.MIN_INSTALLS)
    difference = None
    if champion is not None and challenger is not None and lack is None:
        estimate_difference = verdict.estimate_difference if once else estimate_difference_at_any_time
        difference = estimate_difference(champion, challenger)
    champion_trials, challenger_trials = (int(sample.trials.sum()) for sample in samples)
    return ArmComparison(figure, (champion_trials, challenger_trials), champion, challenger, difference, lack)


def estimate_difference_at_any_time(champion: Estimate, challenger: Estimate) -> RateDifference:
    """Return challenger less champion, with bounds that hold whenever one looks.

    They are valid from ``guardrails.MIN_INSTALLS`` installs in each arm on.
    """
    value = challenger.value - champion.value
    pairs = 1 / (1 / champion.installs + 1 / challenger.installs)
    margin = guardrails.boundary(pairs, verdict.ALPHA / 2) * math.sqrt(champion.variance + challenger.variance)
    return RateDifference(value, max(-1.0, value - margin), min(1.0, value + margin))
