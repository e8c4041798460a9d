"""The page's two answers in words: how many chips are accepted, and whether that is more or fewer than before."""

from dataclasses import dataclass
from typing import Literal

from backend.acceptance.figures import ACCEPTANCE, HELP, Change, Counts, Mean, Rate, compute_change
from backend.admin.formatting import plural, thousands

Trend = Literal["better", "worse", "steady", "unknown"]

TREND_TITLES: dict[Trend, str] = {
    "better": "Getting better",
    "worse": "Getting worse",
    "steady": "Holding steady",
    "unknown": "Too early to tell",
}

# "About as many" is said of a change this small, if its interval is not so wide that it could hide a large one. Shares.
SMALL_CHANGE, LARGE_CHANGE = 0.03, 0.1


@dataclass(frozen=True, slots=True)
class Answer:
    """Both answers for one selection: sentences without a full stop, and the figures behind them.

    Attributes:
        level: is it good.
        comparison: is it getting worse; empty where nothing was seen at all.
        helped: in how many drafts it helped; empty where no draft had a chip to see.
        trend: the comparison in one word.
        result, before: acceptance in both periods.
        change: from the period before; None where that has no interval.
        target: that of acceptance, in words; empty without one.
    """

    level: str
    comparison: str
    helped: str
    trend: Trend
    result: Rate | Mean
    before: Rate | Mean
    change: Change | None
    target: str = ""


def answer_in_words(counts: Counts, before: Counts, span: str, earlier_span: str, tag: str = "") -> Answer:
    """Return both answers in words.

    Args:
        counts: of the period shown.
        before: of the period that it is compared with.
        span: the period shown, as in "in the last 28 days".
        earlier_span: the other one, as in "in the 28 days before".
        tag: whose chips both are of; empty: of all tags.
    """
    chips = f"{tag} chips" if tag else "chips"
    result, earlier = ACCEPTANCE.compute(counts), ACCEPTANCE.compute(before)
    change = compute_change(result, earlier)
    if result.value is None:
        comparison = "" if earlier.value is None else f"{earlier_span}, {share_in_words(earlier, chips)} accepted"
        return Answer(f"No {chips[:-1]} was seen {span}", comparison, "", "unknown", result, earlier, change)
    trend, comparison = compare_in_words(earlier, change, earlier_span)
    if earlier.value is not None and None in (result.by_writer, earlier.by_writer):
        # Nothing is known of the writers, so that there is no interval either.
        comparison = f"against {out_of(earlier)} {earlier_span}"
    level = f"{share_in_words(result, chips)} accepted"
    return Answer(level[0].upper() + level[1:], comparison, helped_in_words(counts), trend, result, earlier, change)


def share_in_words(result: Rate | Mean, chips: str) -> str:
    """Return a share of chips in whole numbers, with its verb: ``38 of 100 chips seen were``, ``the one chip …``."""
    return f"{out_of(result)} {chips[:-1] if result.denominator == 1 else chips} seen {_was_or_were(result)}"


def out_of(result: Rate | Mean) -> str:
    """Return a share in whole numbers that are read at a glance: of a hundred, or of a thousand if it is rare."""
    hits, n = result.numerator, result.denominator
    if n < 100 or not hits or hits == n:
        counted = f"{thousands(hits)} of {thousands(n)}"
        return {0: f"none of {thousands(n)}", n: f"all {thousands(n)}" if n > 1 else "the one"}.get(hits, counted)
    share = hits / n
    for scale in (100, 1000):
        if 1 <= round(share * scale) < scale:
            return f"{round(share * scale)} of {thousands(scale)}"
    return f"{thousands(hits)} of {thousands(n)}"


def compare_in_words(before: Rate | Mean, change: Change | None, earlier_span: str) -> tuple[Trend, str]:
    """Return whether a share has changed, as far as the interval of the change tells."""
    if before.value is None:
        return "unknown", f"with nothing to compare: none was seen {earlier_span}"
    earlier = f"{earlier_span} ({out_of(before)})"
    if change is None:
        return "unknown", f"by too few writers to compare them with those {earlier}"
    if change.significant:
        return ("better", f"more than {earlier}") if change.value > 0 else ("worse", f"fewer than {earlier}")
    if abs(change.value) <= SMALL_CHANGE and max(-change.low, change.high) < LARGE_CHANGE:
        return "steady", f"about as many as {earlier}"
    return "unknown", f"too few to tell whether that is more or fewer than {earlier}"


def helped_in_words(counts: Counts) -> str:
    """Return in how many of the drafts with a chip one was accepted; empty without such drafts."""
    result = HELP.compute(counts)
    if result.value is None:
        return ""
    return f"{thousands(result.numerator)} of {plural(result.denominator, 'drafts')} {_was_or_were(result)} helped"


def _was_or_were(result: Rate | Mean) -> str:
    return "was" if result.denominator == 1 else "were"
