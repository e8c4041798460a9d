"""Guardrails: whether a challenger does harm. Looked at every minute, so by tests that stay right however often.

Pure: counts in, readings out. A usual test that is asked again and again says "harm" of a harmless version sooner or
later. These do not: a false alarm in the whole life of an experiment is as improbable as ``ALPHA`` says, five
guardrails together. So they take more to be sure than a usual test would; what they are there for is gross.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from backend.experiments.verdict import MOST_DRAFTS, MOST_ITEMS, Sample, Values, estimate, shares_by_install

Name = Literal["errors", "latency", "coverage", "dismissals", "sample ratio"]

# False alarms of all guardrails of an experiment together, and of each.
ALPHA = 0.01
ALPHA_OF_EACH = ALPHA / 5

# Installs of each arm, and answers of as many installs, before a guardrail says anything.
LEAST_INSTALLS, LEAST_ANSWERS = 20, 10

# The challenger may fail to give so many of its answers.
ERRORS_ALLOWED = 0.01

# An answer of the model that takes longer is slow. Milliseconds.
SLOW_MS = 250.0
# An install's answers count up to this many.
MOST_ANSWERS = 20

# Installs (of two arms of the same size, half of one arm) at which the bound is nearest to the estimate.
SHARPEST_AT = 50

# Shares and odds that the two mixtures below bet on.
WORSE_ERRORS = (0.02, 0.05, 0.1, 0.25, 0.5, 0.95)
ODDS = tuple(sign * tilt for tilt in (0.05, 0.1, 0.2, 0.4, 0.8, 1.6) for sign in (-1, 1))


@dataclass(frozen=True, slots=True)
class Rail:
    """A guardrail that compares a share between the arms.

    Attributes:
        name, title: in tables, and on the page.
        harm: 1 where more is worse, -1 where less is.
        allowed: how much worse than the champion the challenger may be, as a share.
        most: what an install counts at most (see `verdict`).
    """

    name: Name
    title: str
    harm: Literal[1, -1]
    allowed: float
    most: float


LATENCY = Rail("latency", f"Answers slower than {SLOW_MS:g} ms", 1, 0.05, MOST_ANSWERS)
COVERAGE = Rail("coverage", "Drafts that were offered a tag", -1, 0.05, MOST_DRAFTS)
DISMISSALS = Rail("dismissals", "Chips dismissed", 1, 0.02, MOST_ITEMS)

TITLES: dict[Name, str] = {
    "errors": "Answers the challenger failed to give",
    **{rail.name: rail.title for rail in (LATENCY, COVERAGE, DISMISSALS)},
    "sample ratio": "Installs that got the challenger",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a guardrail says now.

    Attributes:
        name: of the guardrail.
        n: what it rests on: installs of both arms, or of the challenger's.
        champion, challenger: the shares; None where there is nothing to count. For errors the champion's is what is
            allowed, for the sample ratio what was set.
        breached: whether there is harm for sure; None: too little to say.
        words: the figures, for people.
    """

    name: Name
    n: int
    champion: float | None
    challenger: float | None
    breached: bool | None
    words: str


def compare(rail: Rail, champion: Sample, challenger: Sample) -> Reading:
    """Whether the challenger is surely worse than the champion by more than is allowed.

    The bound is that of an asymptotic confidence sequence (one-sided, by a mixture of normals) around the difference
    of two ratios over installs. It holds at all times at once where installs come one after the other and enough of
    them have come; that installs go on writing while others come, it leaves aside, and so a simulation tries it.

    Source: I. Waudby-Smith, D. Arbour, R. Sinha, E. H. Kennedy, A. Ramdas, "Time-uniform central limit theory and
    asymptotic confidence sequences", Annals of Statistics 52 (2024), 2613-2640.
    """
    before, now = estimate(champion, rail.most), estimate(challenger, rail.most)
    installs = (before.installs if before else 0) + (now.installs if now else 0)
    if before is None or now is None:
        known = (before.value if before else None, now.value if now else None)
        return Reading(rail.name, installs, *known, None, "Nothing to compare yet.")
    words = f"challenger {percent(now.value)}, champion {percent(before.value)}, {installs:,} installs"
    if min(before.installs, now.installs) < LEAST_INSTALLS:
        return Reading(
            rail.name, installs, before.value, now.value, None, f"{words}: fewer than {LEAST_INSTALLS} in an arm"
        )
    spread = max(before.variance, least_variance(champion, rail.most))
    spread += max(now.variance, least_variance(challenger, rail.most))
    pairs = 1 / (1 / before.installs + 1 / now.installs)
    sure = rail.harm * (now.value - before.value) - boundary(pairs) * math.sqrt(spread)
    if sure > rail.allowed:
        words += f": worse by {sure * 100:.1f} points or more, and {rail.allowed * 100:g} are allowed"
    return Reading(rail.name, installs, before.value, now.value, sure > rail.allowed, words)


def least_variance(sample: Sample, most: float) -> float:
    """The variance of a share if installs did not differ: an estimate below it rests on too few hits."""
    hits, trials = shares_by_install(sample, most)
    share = (hits.sum() + 1) / (trials.sum() + 2)
    return float(share * (1 - share) * (trials / sample.chances[sample.trials > 0]).sum() / trials.sum() ** 2)


def boundary(pairs: float, alpha: float = ALPHA_OF_EACH, sharpest_at: float = SHARPEST_AT) -> float:
    """How many standard errors a mean must be off to be off for sure, whenever one looks; one-sided.

    Args:
        pairs: observations so far.
        alpha: the probability that it ever happens by chance.
        sharpest_at: observations at which the boundary is lowest.
    """
    tail = -2 * math.log(2 * alpha)
    scaled = pairs * (tail + math.log(tail + 1)) / sharpest_at
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(1 + math.sqrt(scaled + 1) / (2 * alpha)))


def errors(failed: int, answers: int) -> Reading:
    """Whether the challenger fails more often than ``ERRORS_ALLOWED``.

    Of each install one answer counts, drawn at random: failures come in clumps, as when one writer's draft makes it
    fail again and again.

    Bets on higher shares of failures, each of which can't be expected to win while the share is allowed. What a
    mixture of bets has won is at least 1 / alpha at any time with at most the probability alpha (Ville).

    Source: A. Ramdas, P. Grünwald, V. Vovk, G. Shafer, "Game-theoretic statistics and safe anytime-valid
    inference", Statistical Science 38 (2023), 576-601.
    """
    logs = [
        failed * math.log(share / ERRORS_ALLOWED) + (answers - failed) * math.log((1 - share) / (1 - ERRORS_ALLOWED))
        for share in WORSE_ERRORS
    ]
    share = failed / answers if answers else None
    words = f"{failed:,} of {answers:,} answers failed"
    breached = None if answers < LEAST_ANSWERS else won(logs) >= -math.log(ALPHA_OF_EACH)
    if breached:
        words += f", and {percent(ERRORS_ALLOWED)} are allowed; the champion answered in their place"
    return Reading("errors", answers, ERRORS_ALLOWED, share, breached, words)


def sample_ratio(in_challenger: npt.NDArray[np.bool_], shares: Values) -> Reading:
    """Whether the arms are out of the proportion that was set, by bets on other odds (see `errors`).

    Source: M. Lindon and A. Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022.

    Args:
        in_challenger, shares: see `verdict.sample_ratio`.
    """
    n = len(shares)
    if not n:
        return Reading("sample ratio", 0, None, None, None, "No install was exposed yet.")
    got = int(in_challenger.sum())
    logs = [float(got * odds - np.log1p(shares * math.expm1(odds)).sum()) for odds in ODDS]
    breached = won(logs) >= -math.log(ALPHA_OF_EACH)
    set_, found = float(shares.mean()), got / n
    words = f"{got:,} of {n:,} installs, {percent(found)}; {percent(set_)} were set"
    return Reading("sample ratio", n, set_, found, breached, words)


def won(logs: Sequence[float]) -> float:
    """What bets of equal stakes have won on average, from the logarithms of each; as a logarithm."""
    return float(np.logaddexp.reduce(logs)) - math.log(len(logs))


def percent(share: float) -> str:
    """A share in per cent."""
    return f"{share * 100:.1f} %"
