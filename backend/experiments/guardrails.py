"""Guardrails: whether a challenger does harm, by tests that may be repeated every minute.

Pure: counts in, results out. An ordinary test, repeated again and again, says "harm" of a harmless version sooner or
later. These do not: a false alarm in the whole life of an experiment is as improbable as ``ALPHA`` says, for all five
guardrails together. So they need more evidence than an ordinary test would; they are there to catch gross harm.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.experiments.installs import Installs
from backend.experiments.strata import ArmShares, Floats, Sample, share_by_arm
from backend.experiments.verdict import MAX_DRAFTS, MAX_ITEMS

GuardrailName = Literal["errors", "latency", "coverage", "dismissals", "sample ratio"]

# The probability of a false alarm in an experiment, of all guardrails together and of each. With the look at the sample
# ratio that the verdict begins with, it is one in a hundred.
ALPHA = 0.005
ALPHA_EACH = ALPHA / 5

# Installs of each arm, and installs with an answer, before a guardrail says anything.
MIN_INSTALLS, MIN_ANSWERS = 20, 10

# The share of an install's answers that the challenger may fail to give, on average over installs.
MAX_ERROR_RATE = 0.01

# An answer for which the model takes longer is slow. Milliseconds.
SLOW_MS = 250.0
# How many answers of an install count at most.
MAX_ANSWERS = 20

# Installs (of two arms of the same size, half of one arm) at which the bound is closest to the estimate.
TIGHTEST_AT = 50

# Error rates and odds that the two mixtures below bet on.
WORSE_ERRORS = (0.02, 0.05, 0.1, 0.25, 0.5, 0.95)
ODDS = tuple(sign * tilt for tilt in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6) for sign in (-1, 1))


@dataclass(frozen=True, slots=True)
class RateGuardrail:
    """A guardrail that compares a share between the arms.

    Attributes:
        name, title: in tables, and on the page.
        harm: 1 where more is worse, -1 where less is.
        allowed: how much worse than the champion the challenger may be, as a share.
        most: how much of an install counts at most (see `verdict`).
    """

    name: GuardrailName
    title: str
    harm: Literal[1, -1]
    allowed: float
    most: float


LATENCY = RateGuardrail("latency", f"Answers slower than {SLOW_MS:g} ms", 1, 0.05, MAX_ANSWERS)
COVERAGE = RateGuardrail("coverage", "Drafts that were offered a tag", -1, 0.05, MAX_DRAFTS)
DISMISSALS = RateGuardrail("dismissals", "Chips dismissed", 1, 0.02, MAX_ITEMS)

TITLES: dict[GuardrailName, str] = {
    "errors": "Answers the challenger failed to give, by install",
    **{guardrail.name: guardrail.title for guardrail in (LATENCY, COVERAGE, DISMISSALS)},
    "sample ratio": "Installs that got the challenger",
}


@dataclass(frozen=True, slots=True)
class GuardrailResult:
    """The result of a guardrail.

    Attributes:
        name: of the guardrail.
        n: installs that it rests on, of both arms or of the challenger's.
        champion, challenger: the shares; None where there is nothing to count. For errors the champion's is what is
            allowed, for the sample ratio what was set.
        breached: whether there is harm for sure; None: too early to say.
        summary: the figures, for people.
    """

    name: GuardrailName
    n: int
    champion: float | None
    challenger: float | None
    breached: bool | None
    summary: str


def check_guardrails(installs: Installs) -> list[GuardrailResult]:
    """Return the results of all guardrails, the gravest first.

    Harm that is no longer there without the installs of one address is none.
    """
    results = _check_all(installs)
    if any(result.breached for result in results):
        for crowd in installs.crowds:
            results_without = _check_all(installs.without(crowd))
            results = [
                _withdraw(result) if result.breached and not without.breached else result
                for result, without in zip(results, results_without, strict=True)
            ]
    return results


def _withdraw(result: GuardrailResult) -> GuardrailResult:
    return replace(result, breached=False, summary=f"{result.summary}; not without the installs of one address")


def _check_all(installs: Installs) -> list[GuardrailResult]:
    answers, failed = installs.answers.sum(axis=0), installs.failed.sum(axis=0)
    answered = installs.in_challenger & (answers > 0)
    return [
        check_errors(failed[answered] / answers[answered]),
        check_rate(LATENCY, *installs.samples("slow", "answers")),
        check_rate(COVERAGE, *installs.samples("covered", "answered")),
        check_rate(DISMISSALS, *installs.samples("dismissed", "viewed")),
        check_sample_ratio(installs.in_challenger, installs.share),
    ]


def check_rate(guardrail: RateGuardrail, champion: Sample, challenger: Sample) -> GuardrailResult:
    """Check whether the challenger is surely worse than the champion by more than is allowed.

    The bound is that of an asymptotic confidence sequence (one-sided, by a mixture of normals) around the difference
    of two ratios over installs. It holds at all times at once where installs come one after the other and enough of
    them have come. It leaves aside that installs go on writing while others come, so a simulation tests that.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52 (2024), 2613-2640.
    """
    shares = share_by_arm(champion, challenger, guardrail.most)
    before, now = shares.champion, shares.challenger
    installs = (before.installs if before else 0) + (now.installs if now else 0)
    values = before.value if before else None, now.value if now else None
    lack = describe_lack(shares, MIN_INSTALLS)
    if before is None or now is None:
        return GuardrailResult(guardrail.name, installs, *values, None, lack or "")
    summary = f"challenger {format_percent(now.value)}, champion {format_percent(before.value)}, {installs:,} installs"
    if lack is not None:
        return GuardrailResult(guardrail.name, installs, *values, None, f"{summary}: {lack}")
    variance = sum(max(arm.variance, arm.binomial_variance) for arm in (before, now))
    pairs = 1 / (1 / before.installs + 1 / now.installs)
    harm = guardrail.harm * (now.value - before.value) - boundary(pairs) * math.sqrt(variance)
    if harm > guardrail.allowed:
        summary += f": worse by {harm * 100:.1f} points or more, and {guardrail.allowed * 100:g} are allowed"
    return GuardrailResult(guardrail.name, installs, *values, harm > guardrail.allowed, summary)


def describe_lack(shares: ArmShares, needed: int) -> str | None:
    """Return why two arms can't be compared yet: ``18 installs in the challenger's arm, 20 needed``; None if they can.

    Args:
        shares: of the arms.
        needed: how many installs each arm needs.
    """
    for name, arm in (("champion", shares.champion), ("challenger", shares.challenger)):
        installs = 0 if arm is None else arm.installs
        if installs < needed:
            return f"{installs} {'install' if installs == 1 else 'installs'} in the {name}'s arm, {needed} needed"
    return None if shares.comparable else "no phase of one share with two installs in each arm yet"


def boundary(pairs: float, alpha: float = ALPHA_EACH, tightest_at: float = TIGHTEST_AT) -> float:
    """Return how many standard errors a mean must be off to be off for sure, whenever one looks; one-sided.

    Args:
        pairs: observations so far.
        alpha: the probability that it ever happens by chance.
        tightest_at: observations at which the boundary is lowest.
    """
    tail = -2 * math.log(2 * alpha)
    scaled = pairs * (tail + math.log(tail + 1)) / tightest_at
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(1 + math.sqrt(scaled + 1) / (2 * alpha)))


def check_errors(failed: Floats) -> GuardrailResult:
    """Check whether the challenger fails more often than ``MAX_ERROR_RATE``, on average over installs.

    An install counts once, however often it asked: failures come in clumps, as when one writer's draft makes the
    challenger fail again and again.

    The test bets on higher error rates; no bet can be expected to win while the rate is allowed. The wealth of a
    mixture of such bets ever reaches 1 / alpha with a probability of at most alpha (Ville's inequality). A bet is
    linear in an install's share, so that a share that goes on changing wins nothing on average either.

    Source: A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe anytime-valid
    inference", Statistical Science 38 (2023), 576-601; for means of bounded values: I. Waudby-Smith and A. Ramdas,
    "Estimating means of bounded random variables by betting", JRSS B 86 (2024), 1-27.

    Args:
        failed: of each install's answers, the share that failed; ``(installs,)``.
    """
    n = len(failed)
    logs = [
        float(np.log(failed * share / MAX_ERROR_RATE + (1 - failed) * (1 - share) / (1 - MAX_ERROR_RATE)).sum())
        for share in WORSE_ERRORS
    ]
    share = float(failed.mean()) if n else None
    summary = f"{int((failed > 0).sum()):,} of {n:,} installs met a failure"
    if share is not None:
        summary += f", {format_percent(share)} of an install's answers on average"
    breached = None if n < MIN_ANSWERS else log_mean_wealth(logs) >= -math.log(ALPHA_EACH)
    if breached is None:
        summary += f": {MIN_ANSWERS} installs needed"
    elif breached:
        summary += f", and {format_percent(MAX_ERROR_RATE)} are allowed; the champion answered in their place"
    return GuardrailResult("errors", n, MAX_ERROR_RATE, share, breached, summary)


def check_sample_ratio(in_challenger: npt.NDArray[np.bool_], shares: Floats) -> GuardrailResult:
    """Check whether the arms are out of the proportion that was set, by bets on other odds (see `check_errors`).

    Each phase of constant share has a bet of its own, since what distorts one phase need not distort another.

    Source: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.

    Args:
        in_challenger, shares: see `verdict.sample_ratio_p_value`.
    """
    n = len(shares)
    if not n:
        return GuardrailResult("sample ratio", 0, None, None, None, "No install was exposed yet.")
    challengers = int(in_challenger.sum())
    log_wealth = 0.0
    for share in np.unique(shares):
        phase = shares == share
        won, size = int(in_challenger[phase].sum()), int(phase.sum())
        log_wealth += log_mean_wealth([won * odds - size * math.log1p(share * math.expm1(odds)) for odds in ODDS])
    expected, actual = float(shares.mean()), challengers / n
    summary = f"{challengers:,} of {n:,} installs, {format_percent(actual)}; {describe_share_set(shares)}"
    breached = log_wealth >= -math.log(ALPHA_EACH)
    return GuardrailResult("sample ratio", n, expected, actual, breached, summary)


def describe_share_set(shares: Floats) -> str:
    """Return what share was set: ``25.3 % were set: 10.0 % for 620 installs, then 50.0 % for 380``."""
    described = f"{format_percent(float(shares.mean()))} were set"
    phases, sizes = np.unique(shares, return_counts=True)
    if len(phases) == 1:
        return described
    steps = [f"{format_percent(share)} for {size:,}" for share, size in zip(phases, sizes, strict=True)]
    steps[0] += " installs" if sizes[0] != 1 else " install"
    return f"{described}: {', then '.join(steps)}"


def log_mean_wealth(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean wealth of bets of equal stakes, from the logarithm of each."""
    return float(np.logaddexp.reduce(logs)) - math.log(len(logs))


def format_percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{share * 100:.1f} %"
