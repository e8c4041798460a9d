"""Figures, numbers, days and filters as the page shows them."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime

from backend.acceptance.figures import Figure, Mean, Rate
from backend.acceptance.filters import Filters
from backend.acceptance.queries.items import LENGTH_BANDS
from backend.alerts.rules import Rule, TargetRule

KIND_TITLES = {
    "ask": "questions being asked",
    "edit": "posts being edited",
    "try": "the page to try it",
    "demo": "demo traffic",
}

ORIGIN_TITLES = {"service": "the service", "device": "the device"}

# Why a figure is n/a, by its name: what was not there to divide by.
NOTHING_TO_COUNT = {
    "acceptance": "no chip seen",
    "dismissal": "no chip seen",
    "help": "no chip seen",
    "kept": "no chip seen in a posted draft",
    "agreement": "no chip seen in a posted draft",
    "coverage": "no answer given",
    "precision": "no posted draft was offered a tag",
    "unknown": "no missed tag to look up",
}


def why_nothing(figure: Figure) -> str:
    """Return why a figure is n/a where nothing was counted."""
    return NOTHING_TO_COUNT.get(figure.name, "no draft posted")


def percent(figure: Rate | Mean) -> str:
    """Format the value in per cent with one digit; n/a of nothing."""
    return share(figure.value)


def share(value: float | None) -> str:
    """Format a share in per cent with one digit; n/a of nothing."""
    return "n/a" if value is None else f"{value * 100:.1f} %"


def interval(figure: Rate | Mean) -> str:
    """Format the bounds in per cent: ``37.0-46.1 %``, or why there are none; empty of nothing."""
    if figure.value is None:
        return ""
    if figure.interval is None:
        return figure.remark or ""
    low, high = figure.interval
    return f"{low * 100:.1f}\N{EN DASH}{high * 100:.1f} %"


def fraction(figure: Rate | Mean, unit: str) -> str:
    """Format what the figure was computed from: ``120 of 291 items``, or for a mean ``mean of 40 drafts``."""
    if isinstance(figure, Mean):
        return f"mean of {plural(figure.n, unit)}"
    return f"{thousands(figure.numerator)} of {plural(figure.denominator, unit)}"


def points(difference: float) -> str:
    """Format a difference of shares in percentage points with its sign: ``+1.8``, ``\N{MINUS SIGN}0.4``, ``+0.0``."""
    value = round(difference * 100, 1)
    return f"{'+' if value >= 0 else chr(0x2212)}{abs(value):.1f}"


def plural(n: int, unit: str) -> str:
    """Format a number with its unit, given in the plural: ``1 draft``, ``2 drafts``."""
    return f"{thousands(n)} {unit[:-1] if n == 1 else unit}"


def thousands(n: int) -> str:
    """Format a whole number with commas."""
    return f"{n:,}"


def duration(seconds: float) -> str:
    """Format seconds in the unit that suits them: ``48 s``, ``12 min``, ``3.4 h``."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:,.1f} h"


def long_day(day: date) -> str:
    """Format a day: ``3 Nov 2026``."""
    return f"{day.day} {day:%b %Y}"


def target_in_words(figure: Figure, rules: Iterable[Rule]) -> str:
    """Return the target that the rules of alerts set for a figure: ``target: at least 35 %``; empty without one."""
    for rule in rules:
        if isinstance(rule, TargetRule) and rule.figure == figure.name:
            return f"target: {rule.goal.replace('_', ' ')} {rule.target * 100:g} %"
    return ""


def since_when(moment: datetime, now: datetime) -> str:
    """Return since when something lasts: ``16:14`` if that is today, else ``28 Nov 2026``, both in UTC."""
    return f"{moment:%H:%M}" if moment.date() == now.date() else long_day(moment.date())


def position_name(position: int | None) -> str:
    """Return the name of a position on screen."""
    return "unknown" if position is None else str(position)


def length_name(band: int) -> str:
    """Return the name of a band of lengths: ``no body``, ``250 to 999``, ``3000 and more``."""
    if band == 0:
        return "no body"
    first, following = LENGTH_BANDS[band - 1], LENGTH_BANDS[band : band + 1]
    return f"{first} to {following[0] - 1}" if following else f"{first} and more"


def span_in_words(filters: Filters, period: str | None) -> str:
    """Return the days shown: ``in the last 28 days``, ``since 3 Nov 2026``, ``on 3 Nov 2026``, ``from … to …``."""
    days = (filters.until - filters.since).days + 1
    if period == "all":
        return f"since {long_day(filters.since)}"
    if days == 1:
        return f"on {long_day(filters.since)}"
    if period is not None:
        return f"in the last {days} days"
    return f"from {long_day(filters.since)} to {long_day(filters.until)}"


def earlier_span_in_words(filters: Filters, before: Filters) -> str:
    """Return the days compared with: ``in the 28 days before``, ``a year before``, ``from … to …``."""
    days = plural((filters.until - filters.since).days + 1, "days")
    if before == filters.before:
        return "on the day before" if days == "1 day" else f"in the {days} before"
    return span_in_words(before, None)


def filters_title(filters: Filters) -> str:
    """Describe the filters: ``questions being asked, stackoverflow.com, light-c22ec615, challenger's arm``."""
    arm = None if filters.arm is None else f"{filters.arm}'s arm"
    origin = None if filters.origin is None else f"answered by {ORIGIN_TITLES[filters.origin]}"
    return ", ".join(filter(None, (KIND_TITLES[filters.kind], filters.site, filters.model_version, arm, origin)))


def details_line(details: Mapping[str, object]) -> str:
    """Format the details of an act in one line: ``seed 1, drafts 1,120``."""
    return ", ".join(f"{name} {_detail(value)}" for name, value in details.items())


def _detail(value: object) -> str:
    if isinstance(value, Mapping):
        return f"({details_line(value)})"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
