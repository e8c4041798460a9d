"""Days that say nothing about drift: outages, and days of bad input."""

from collections.abc import Sequence
from itertools import dropwhile
from statistics import median
from typing import Final

from model.drift.traffic import Day

UNRECORDED_BOUND: Final = 0.1
"""Share of a day's answers that could not be recorded, above which the day is an outage."""
USUAL_LEAST: Final = 10
"""Suggestions of a usual day from which on a day without any is an outage."""
BAD_BOUND: Final = 0.05
BAD_TIMES: Final = 5
BAD_LEAST: Final = 20
"""A day has bad input if so large a share of what came was refused, so many times the usual share, and so many."""


def find_bad_days(days: Sequence[Day]) -> list[dict[str, str]]:
    """Find the days that say nothing about drift: {day, kind: outage or bad_input, words}.

    Days before the first answer are none: perhaps the service had not begun.
    """
    days = list(dropwhile(lambda day: not (day.recorded + day.unrecorded + day.without_consent), days))
    usual = median([day.recorded for day in days]) if days else 0
    usual_bad = median([_refused_share(day) for day in days]) if days else 0
    bad_days = []
    for day in days:
        answered = day.recorded + day.unrecorded
        if day.unrecorded and day.unrecorded / answered > UNRECORDED_BOUND:
            words = f"{day.unrecorded:,} of {answered:,} answers could not be recorded."
            bad_days.append({"day": day.day, "kind": "outage", "words": words})
        elif not answered and not day.without_consent and usual >= USUAL_LEAST:
            words = f"Not one suggestion; {usual:,.0f} on a usual day."
            bad_days.append({"day": day.day, "kind": "outage", "words": words})
        elif _refused(day) >= BAD_LEAST and _refused_share(day) > max(BAD_BOUND, BAD_TIMES * usual_bad):
            words = (
                f"{_refused_share(day):.1%} of what came was refused, {usual_bad:.1%} on a usual day: "
                f"{day.malformed:,} malformed requests, {day.refused:,} events, "
                f"{day.unknown_site:,} drafts of unknown sites."
            )
            bad_days.append({"day": day.day, "kind": "bad_input", "words": words})
    return bad_days


def _refused(day: Day) -> int:
    return day.malformed + day.refused + day.unknown_site


def _refused_share(day: Day) -> float:
    return _refused(day) / max(day.recorded + day.unrecorded + day.without_consent + day.events + _refused(day), 1)
