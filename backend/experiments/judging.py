"""What the counts of an experiment mean now: go on, stop, or a verdict.

Pure, so that a simulation judges by the same code as the service (`tools.experiment_rates`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Protocol

from backend.experiments import verdict
from backend.experiments.comparison import ACCEPTANCE, COMPARED_FIGURES, ArmComparison, compare_arms
from backend.experiments.guardrails import GuardrailResult, check_guardrails
from backend.experiments.installs import ExperimentCounts, Installs
from backend.experiments.verdict import RateDifference, VerdictWord


class Terms(Protocol):
    """What was fixed of an experiment before it began (see `backend.deployments.tables.Deployment`)."""

    horizon: int | None
    until: datetime | None

    @property
    def earliest_verdict_at(self) -> datetime:
        """When the verdict may be given at the earliest."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict: its word, the installs it rests on, and the figures by which it was given, acceptance first."""

    word: VerdictWord
    installs: int
    arms: list[ArmComparison]

    @property
    def difference(self) -> RateDifference | None:
        """The difference of acceptance."""
        return self.arms[0].difference


@dataclass(frozen=True, slots=True)
class Judgement:
    """The guardrails' results, and the verdict if it is due and no guardrail is broken."""

    guardrails: list[GuardrailResult]
    verdict: Verdict | None = None

    @property
    def harm(self) -> GuardrailResult | None:
        """The gravest broken guardrail, which ends the experiment."""
        return find_harm(self.guardrails)


def judge_experiment(terms: Terms, counts: ExperimentCounts, now: datetime, *, concluded: bool) -> Judgement:
    """Check the guardrails, and give the verdict if it is due.

    Args:
        terms: of the experiment.
        counts: what its installs did so far.
        now: the present.
        concluded: whether it has its verdict; there is only one.
    """
    results = check_guardrails(counts.all)
    if concluded or find_harm(results) is not None or not is_due(terms, counts.settled.counted, now):
        return Judgement(results)
    p_value = verdict.sample_ratio_p_value(counts.all.in_challenger, counts.all.share)
    # The guardrail needs more to be sure, since it looks often. At the verdict one look is enough.
    if p_value is not None and p_value < verdict.SAMPLE_RATIO_ALPHA:
        ratio = results[-1]
        return Judgement([*results[:-1], replace(ratio, breached=True, summary=f"{ratio.summary}; p = {p_value:.2g}")])
    arms = [compare_arms(figure, counts.settled, once=True) for figure in COMPARED_FIGURES]
    word = decide_verdict(counts.settled, arms[0].difference)
    return Judgement(results, Verdict(word, counts.settled.counted, arms))


def find_harm(results: Sequence[GuardrailResult]) -> GuardrailResult | None:
    """Return the first result that is broken."""
    return next((result for result in results if result.breached), None)


def is_due(terms: Terms, counted: int, now: datetime) -> bool:
    """Return whether the verdict is due: enough installs have seen an item and the weeks are over, or the last day."""
    reached = terms.horizon is not None and counted >= terms.horizon and now >= terms.earliest_verdict_at
    return reached or (terms.until is not None and now >= terms.until)


def decide_verdict(installs: Installs, difference: RateDifference | None) -> VerdictWord:
    """Return the verdict: no difference if it would be another one without the installs of some address."""
    others = [compare_arms(ACCEPTANCE, installs.without(crowd), once=True).difference for crowd in installs.crowds]
    words = {"no difference shown" if each is None else each.word for each in (difference, *others)}
    return words.pop() if len(words) == 1 else "no difference shown"
