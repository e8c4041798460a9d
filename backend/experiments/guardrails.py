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
from backend.experiments.verdict import MAX_DRAFTS, MAX_ITEMS, Floats, Sample, estimate_share, weigh_installs

GuardrailName = Literal["errors", "latency", "coverage", "dismissals", "sample ratio"]

# The probability of a false alarm in an experiment, of all guardrails together and of each.
ALPHA = 0.01
ALPHA_EACH = ALPHA / 5

# Installs of each arm, and installs with an answer, before a guardrail says anything.
MIN_INSTALLS, MIN_ANSWERS = 20, 10

# The share of its answers that the challenger may fail to give.
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
    "errors": "Answers the challenger failed to give",
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
    answered = installs.in_challenger & (installs.answers > 0)
    return [
        check_errors(int(installs.failed[answered].sum()), int(answered.sum())),
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
    before, now = estimate_share(champion, guardrail.most), estimate_share(challenger, guardrail.most)
    installs = (before.installs if before else 0) + (now.installs if now else 0)
    if before is None or now is None:
        shares = (before.value if before else None, now.value if now else None)
        return GuardrailResult(guardrail.name, installs, *shares, None, "Nothing to compare yet.")
    summary = f"challenger {format_percent(now.value)}, champion {format_percent(before.value)}, {installs:,} installs"
    if min(before.installs, now.installs) < MIN_INSTALLS:
        summary += f": fewer than {MIN_INSTALLS} in an arm"
        return GuardrailResult(guardrail.name, installs, before.value, now.value, None, summary)
    variance = max(before.variance, min_variance(champion, guardrail.most))
    variance += max(now.variance, min_variance(challenger, guardrail.most))
    pairs = 1 / (1 / before.installs + 1 / now.installs)
    harm = guardrail.harm * (now.value - before.value) - boundary(pairs) * math.sqrt(variance)
    if harm > guardrail.allowed:
        summary += f": worse by {harm * 100:.1f} points or more, and {guardrail.allowed * 100:g} are allowed"
    return GuardrailResult(guardrail.name, installs, before.value, now.value, harm > guardrail.allowed, summary)


def min_variance(sample: Sample, most: float) -> float:
    """Return the variance of a share if installs did not differ: an estimate below it rests on too few hits."""
    hits, trials = weigh_installs(sample, most)
    share = (hits.sum() + 1) / (trials.sum() + 2)
    return float(share * (1 - share) * (trials / sample.chances[sample.trials > 0]).sum() / trials.sum() ** 2)


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


def check_errors(failed: int, answers: int) -> GuardrailResult:
    """Check whether the challenger fails more often than ``MAX_ERROR_RATE``.

    Of each install one answer counts, drawn at random: failures come in clumps, as when one writer's draft makes it
    fail again and again.

    The test bets on higher error rates; no bet can be expected to win while the rate is allowed. The wealth of a
    mixture of such bets ever reaches 1 / alpha with a probability of at most alpha (Ville's inequality).

    Source: A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe anytime-valid
    inference", Statistical Science 38 (2023), 576-601.
    """
    logs = [
        failed * math.log(share / MAX_ERROR_RATE) + (answers - failed) * math.log((1 - share) / (1 - MAX_ERROR_RATE))
        for share in WORSE_ERRORS
    ]
    share = failed / answers if answers else None
    summary = f"{failed:,} of {answers:,} answers failed"
    breached = None if answers < MIN_ANSWERS else log_mean_wealth(logs) >= -math.log(ALPHA_EACH)
    if breached:
        summary += f", and {format_percent(MAX_ERROR_RATE)} are allowed; the champion answered in their place"
    return GuardrailResult("errors", answers, MAX_ERROR_RATE, share, breached, summary)


def check_sample_ratio(in_challenger: npt.NDArray[np.bool_], shares: Floats) -> GuardrailResult:
    """Check whether the arms are out of the proportion that was set, by bets on other odds (see `check_errors`).

    Source: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.

    Args:
        in_challenger, shares: see `verdict.sample_ratio_p_value`.
    """
    n = len(shares)
    if not n:
        return GuardrailResult("sample ratio", 0, None, None, None, "No install was exposed yet.")
    challengers = int(in_challenger.sum())
    logs = [float(challengers * odds - np.log1p(shares * math.expm1(odds)).sum()) for odds in ODDS]
    breached = log_mean_wealth(logs) >= -math.log(ALPHA_EACH)
    expected, actual = float(shares.mean()), challengers / n
    summary = f"{challengers:,} of {n:,} installs, {format_percent(actual)}; {format_percent(expected)} were set"
    return GuardrailResult("sample ratio", n, expected, actual, breached, summary)


def log_mean_wealth(logs: Sequence[float]) -> float:
    """Return the logarithm of the mean wealth of bets of equal stakes, from the logarithm of each."""
    return float(np.logaddexp.reduce(logs)) - math.log(len(logs))


def format_percent(share: float) -> str:
    """Return a share in per cent."""
    return f"{share * 100:.1f} %"
