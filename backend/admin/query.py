"""Filters in the address: read strictly, so that a mistyped one is an error and never a wrong figure."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from urllib.parse import urlencode

from backend.acceptance.choices import Choices
from backend.acceptance.filters import ARMS, KINDS, Filters
from backend.web.problems import Problem

# Days of the presets; None is everything since the first draft.
PERIODS: dict[str, int | None] = {"7d": 7, "28d": 28, "90d": 90, "365d": 365, "all": None}
DEFAULT_PERIOD = "28d"

# A page of more days than this is no page, and a span of millennia is a mistake.
LONGEST = 3660

NAMES = ("period", "month", "since", "until", "kind", "site", "model", "tag", "sort", "arm")

# How tags can be put in order, in the words of the page.
SORTS = {"viewed": "Most viewed", "best": "Best", "worst": "Worst", "dismissed": "Most dismissed"}
DEFAULT_SORT = "viewed"

# Stack Overflow allows no longer tag. Characters.
LONGEST_TAG = 35

# A message names this many possible values at most.
SHOWN = 20


@dataclass(frozen=True, slots=True)
class View:
    """What an address asks for.

    Attributes:
        filters: which items and drafts.
        period: the preset that the days came from; None: two dates.
        search: part of the tags' names to list; empty: all.
        sort: one of ``SORTS``, the order of the tags.
    """

    filters: Filters
    period: str | None
    search: str = ""
    sort: str = DEFAULT_SORT

    def query(self, **changes: str) -> str:
        """The query string of this view, or of one that differs from it; a preset stays a preset."""
        return urlencode(self.pairs(**changes))

    def pairs(self, **changes: str) -> dict[str, str]:
        """What the query string says, by name."""
        filters = self.filters
        values = {
            "period": self.period or "",
            "since": "" if self.period else filters.since.isoformat(),
            "until": "" if self.period else filters.until.isoformat(),
            "kind": "" if filters.kind == "ask" else filters.kind,
            "site": filters.site or "",
            "model": filters.model_version or "",
            "arm": filters.arm or "",
            "tag": self.search,
            "sort": "" if self.sort == DEFAULT_SORT else self.sort,
        }
        if "period" in changes:
            values |= {"since": "", "until": ""}
        return {name: value for name, value in (values | changes).items() if value}


def read(pairs: Iterable[tuple[str, str]], choices: Choices, today: date) -> View:
    """The view that a query string asks for; an empty value, as a form sends it, asks for nothing.

    Args:
        pairs: names and values of the query string, in order.
        choices: the sites and model versions there are.
        today: the current day in UTC.

    Raises:
        Problem: 422, saying which values are possible.
    """
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in NAMES:
            raise _bad(name, f"There is no filter '{name}'", NAMES)
        if name in given:
            raise _bad(name, f"The filter '{name}' is given twice", ())
        given[name] = value
    given = {name: value for name, value in given.items() if value}
    period, since, until = _span(given, choices, today)
    kind = next((kind for kind in KINDS if kind == given.get("kind", "ask")), None)
    if kind is None:
        raise _bad("kind", f"There is no kind '{given['kind']}'", KINDS)
    arm = next((arm for arm in ARMS if arm == given.get("arm")), None)
    if arm is None and "arm" in given:
        raise _bad("arm", f"There is no arm '{given['arm'][:40]}'", ARMS)
    sort = given.get("sort", DEFAULT_SORT)
    if sort not in SORTS:
        raise _bad("sort", f"There is no order '{sort[:40]}'", SORTS)
    search = given.get("tag", "").strip().lower()
    if len(search) > LONGEST_TAG:
        raise _bad("tag", f"No tag is longer than {LONGEST_TAG} characters", ())
    return View(
        Filters(
            since=since,
            until=until,
            kind=kind,
            site=_one_of("site", given.get("site"), choices.sites),
            model_version=_one_of("model", given.get("model"), choices.model_versions),
            arm=arm,
        ),
        period,
        search,
        sort,
    )


def _span(given: dict[str, str], choices: Choices, today: date) -> tuple[str | None, date, date]:
    dates = [name for name in ("since", "until") if name in given]
    if "month" in given:
        if dates or "period" in given:
            raise _bad("month", "Give a month alone", ())
        since = _first_of_month(given["month"])
        return None, since, last_of_month(since)
    if not dates:
        period = given.get("period", DEFAULT_PERIOD)
        if period not in PERIODS:
            raise _bad("period", f"There is no period '{period}'", PERIODS)
        days = PERIODS[period]
        if days is not None:
            return period, today - timedelta(days=days - 1), today
        first = min(choices.first_day or today, today)
        return period, max(first, today - timedelta(days=LONGEST - 1)), today
    if "period" in given:
        raise _bad("period", "Give either a period or two dates", ())
    until = _day("until", given["until"]) if "until" in given else today
    since = _day("since", given["since"]) if "since" in given else until
    if not 0 <= (until - since).days < LONGEST:
        raise _bad("since", f"From {since} to {until} is no span of 1 to {LONGEST:,} days", ())
    return None, since, until


def _day(name: str, value: str) -> date:
    try:
        # Python also reads 20261120 and 2026-W47-5; one way to write a day is enough.
        if len(value) == 10 and value[4] == value[7] == "-" and date.min < date.fromisoformat(value) < date.max:
            return date.fromisoformat(value)
    except ValueError:
        pass
    raise _bad(name, f"'{value[:40]}' is no day; write one as YYYY-MM-DD", ())


def last_of_month(day: date) -> date:
    """The last day of a day's month."""
    return (day.replace(day=1) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def _first_of_month(value: str) -> date:
    try:
        if len(value) == 7 and value[4] == "-" and date.min.year < int(value[:4]) < date.max.year:
            return date.fromisoformat(f"{value}-01")
    except ValueError:
        pass
    raise _bad("month", f"'{value[:40]}' is no month; write one as YYYY-MM", ())


def _one_of(name: str, value: str | None, possible: Sequence[str]) -> str | None:
    if value is None or value in possible:
        return value
    raise _bad(name, f"There is no {name} '{value[:100]}' among the drafts", possible)


def _bad(name: str, what: str, possible: Collection[str]) -> Problem:
    values = list(possible)
    named = ", ".join(values[:SHOWN]) + (f" and {len(values) - SHOWN} more" if len(values) > SHOWN else "")
    hint = f" Possible: {named}." if values else ""
    return Problem(422, "Bad filter", f"{what}.{hint}", filter=name[:40], possible=values[:SHOWN])
