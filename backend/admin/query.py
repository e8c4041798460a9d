"""The query string's filters, parsed strictly: a mistyped one is an error and never a wrong figure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from urllib.parse import urlencode

from backend.acceptance.choices import Choices
from backend.acceptance.filters import ARMS, KINDS, ORIGINS, Filters
from backend.web.problems import Problem

# Days of each preset; None is everything since the first draft.
PERIODS: dict[str, int | None] = {"7d": 7, "28d": 28, "90d": 90, "365d": 365, "all": None}
DEFAULT_PERIOD = "28d"

# A page of more days would be unreadable, and a span of millennia is a mistake.
MAX_DAYS = 3660

# Whole weeks, so that the same weekdays are compared. Days.
YEAR = 52 * 7

NAMES = (
    "period",
    "month",
    "since",
    "until",
    "kind",
    "site",
    "model",
    "tag",
    "sort",
    "arm",
    "origin",
    "compare",
    "compare_since",
    "only_tag",
)

# What the period can be compared with, as the page puts it, beside the days from a day of choice.
COMPARISONS = {"before": "the days before", "year": "the same weeks a year before"}
DEFAULT_COMPARISON = "before"

# How tags can be sorted, as the page puts it.
SORTS = {"viewed": "Most viewed", "best": "Best", "worst": "Worst", "dismissed": "Most dismissed"}
DEFAULT_SORT = "viewed"

# Stack Overflow's own limit. Characters.
MAX_TAG_LENGTH = 35

# A message names at most this many possible values.
MAX_VALUES_NAMED = 20


@dataclass(frozen=True, slots=True)
class View:
    """What a query string asks for.

    Attributes:
        filters: which items and drafts.
        period: the preset that the days come from; None: a month or two dates.
        search: part of the names of the tags to list; empty: all.
        sort: one of ``SORTS``, the order of the tags.
        comparison: one of ``COMPARISONS``, the period to compare with.
        compared_since: the first of as many days to compare with, instead.
        only_tag: the tag that the answer and its chart are about; empty: all chips.
    """

    filters: Filters
    period: str | None
    search: str = ""
    sort: str = DEFAULT_SORT
    comparison: str = DEFAULT_COMPARISON
    compared_since: date | None = None
    only_tag: str = ""

    @property
    def before(self) -> Filters:
        """The same selection over the period to compare with, which has as many days."""
        days = len(self.filters.days)
        since = self.compared_since
        if since is None and self.comparison == "year":
            # As many years back as it takes to be another period.
            since = self.filters.since - timedelta(days=YEAR * -(-days // YEAR))
        if since is None:
            return self.filters.before
        return replace(self.filters, since=since, until=since + timedelta(days=days - 1))

    def query(self, **changes: str) -> str:
        """Return the query string of this view, with changes; a preset stays a preset."""
        return urlencode(self.pairs(**changes))

    def pairs(self, **changes: str) -> dict[str, str]:
        """Return the names and values of the query string, with changes.

        Other days may overlap with days of choice that they are compared with, so these go with the days.
        """
        filters = self.filters
        values = {
            "period": self.period or "",
            "since": "" if self.period else filters.since.isoformat(),
            "until": "" if self.period else filters.until.isoformat(),
            "kind": "" if filters.kind == "ask" else filters.kind,
            "site": filters.site or "",
            "model": filters.model_version or "",
            "arm": filters.arm or "",
            "origin": filters.origin or "",
            "tag": self.search,
            "sort": "" if self.sort == DEFAULT_SORT else self.sort,
            "compare": "" if self.comparison == DEFAULT_COMPARISON else self.comparison,
            "compare_since": "" if self.compared_since is None else self.compared_since.isoformat(),
            "only_tag": self.only_tag,
        }
        if "period" in changes:
            values |= {"since": "", "until": "", "compare_since": ""}
        elif "since" in changes:
            values |= {"period": "", "compare_since": ""}
        return {name: value for name, value in (values | changes).items() if value}


def parse_query(pairs: Iterable[tuple[str, str]], choices: Choices, today: date) -> View:
    """Parse a query string; an empty value, as a form sends it, asks for nothing.

    Args:
        pairs: names and values of the query string, in order.
        choices: the sites and model versions there are.
        today: the current day in UTC.

    Raises:
        Problem: 422, naming the possible values.
    """
    values = _unique_values(pairs)
    period, since, until = _parse_span(values, choices, today)
    kind = next((kind for kind in KINDS if kind == values.get("kind", "ask")), None)
    if kind is None:
        raise _bad_filter("kind", f"There is no kind '{values['kind']}'", KINDS)
    arm = next((arm for arm in ARMS if arm == values.get("arm")), None)
    if arm is None and "arm" in values:
        raise _bad_filter("arm", f"There is no arm '{values['arm'][:40]}'", ARMS)
    origin = next((origin for origin in ORIGINS if origin == values.get("origin")), None)
    if origin is None and "origin" in values:
        raise _bad_filter("origin", f"There is no origin '{values['origin'][:40]}'", ORIGINS)
    sort = values.get("sort", DEFAULT_SORT)
    if sort not in SORTS:
        raise _bad_filter("sort", f"There is no order '{sort[:40]}'", SORTS)
    comparison, compared_since = _parse_comparison(values, since, until)
    return View(
        Filters(
            since=since,
            until=until,
            kind=kind,
            site=_check_choice("site", values.get("site"), choices.sites),
            model_version=_check_choice("model", values.get("model"), choices.model_versions),
            arm=arm,
            origin=origin,
        ),
        period,
        _parse_tag("tag", values),
        sort,
        comparison,
        compared_since,
        _parse_tag("only_tag", values),
    )


def _unique_values(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the values that are not empty, by name."""
    values: dict[str, str] = {}
    for name, value in pairs:
        if name not in NAMES:
            raise _bad_filter(name, f"There is no filter '{name}'", NAMES)
        if name in values:
            raise _bad_filter(name, f"The filter '{name}' is given twice", ())
        values[name] = value
    return {name: value for name, value in values.items() if value}


def _parse_span(values: dict[str, str], choices: Choices, today: date) -> tuple[str | None, date, date]:
    """Return the preset, if there is one, the first and the last day."""
    dates = [name for name in ("since", "until") if name in values]
    if "month" in values:
        if dates or "period" in values:
            raise _bad_filter("month", "Give a month alone", ())
        since = _parse_month(values["month"])
        return None, since, last_of_month(since)
    if not dates:
        return _parse_period(values.get("period", DEFAULT_PERIOD), choices, today)
    if "period" in values:
        raise _bad_filter("period", "Give either a period or two dates", ())
    until = _parse_day("until", values["until"]) if "until" in values else today
    since = _parse_day("since", values["since"]) if "since" in values else until
    if not 0 <= (until - since).days < MAX_DAYS:
        raise _bad_filter("since", f"From {since} to {until} is no span of 1 to {MAX_DAYS:,} days", ())
    return None, since, until


def _parse_period(period: str, choices: Choices, today: date) -> tuple[str, date, date]:
    if period not in PERIODS:
        raise _bad_filter("period", f"There is no period '{period}'", PERIODS)
    days = PERIODS[period]
    if days is not None:
        return period, today - timedelta(days=days - 1), today
    first = min(choices.first_day or today, today)
    return period, max(first, today - timedelta(days=MAX_DAYS - 1)), today


def _parse_tag(name: str, values: dict[str, str]) -> str:
    tag = values.get(name, "").strip().lower()
    if len(tag) > MAX_TAG_LENGTH:
        raise _bad_filter(name, f"No tag is longer than {MAX_TAG_LENGTH} characters", ())
    return tag


def _parse_comparison(values: dict[str, str], since: date, until: date) -> tuple[str, date | None]:
    """Return which period to compare with, and its first day if that was chosen."""
    comparison = values.get("compare", DEFAULT_COMPARISON)
    if comparison not in COMPARISONS:
        raise _bad_filter("compare", f"There is no comparison '{comparison[:40]}'", COMPARISONS)
    if "compare_since" not in values:
        return comparison, None
    if comparison != DEFAULT_COMPARISON:
        raise _bad_filter("compare_since", f"Compare either with {COMPARISONS[comparison]} or from a day", ())
    first = _parse_day("compare_since", values["compare_since"])
    n_days = (until - since).days + 1
    if abs((since - first).days) < n_days or (first - date.min).days < 2 or (date.max - first).days <= n_days:
        message = f"From {first}, the {n_days:,} days to compare with are not apart from those of {since} to {until}"
        raise _bad_filter("compare_since", message, ())
    return comparison, first


def _parse_day(name: str, value: str) -> date:
    try:
        # Python also reads 20261120 and 2026-W47-5; one way to write a day is enough.
        if len(value) == 10 and value[4] == value[7] == "-" and date.min < date.fromisoformat(value) < date.max:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _bad_filter(name, f"'{value[:40]}' is no day; write one as YYYY-MM-DD", ())


def last_of_month(day: date) -> date:
    """Return the last day of a day's month."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _parse_month(value: str) -> date:
    """Return the first day of a month."""
    try:
        if len(value) == 7 and value[4] == "-" and date.min.year < int(value[:4]) < date.max.year:
            return date.fromisoformat(f"{value}-01")
    except ValueError:
        pass
    raise _bad_filter("month", f"'{value[:40]}' is no month; write one as YYYY-MM", ())


def _check_choice(name: str, value: str | None, choices: Sequence[str]) -> str | None:
    if value is None or value in choices:
        return value
    raise _bad_filter(name, f"There is no {name} '{value[:100]}' among the drafts", choices)


def _bad_filter(name: str, message: str, possible: Collection[str]) -> Problem:
    values = list(possible)
    more = len(values) - MAX_VALUES_NAMED
    named = ", ".join(values[:MAX_VALUES_NAMED]) + (f" and {more} more" if more > 0 else "")
    hint = f" Possible: {named}." if values else ""
    return Problem(422, "Bad filter", f"{message}.{hint}", filter=name[:40], possible=values[:MAX_VALUES_NAMED])
