"""The query string's filters: what is parsed, and what is refused with the possible values."""

from datetime import date, timedelta
from urllib.parse import parse_qsl

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from backend.acceptance.choices import Choices
from backend.admin.query import MAX_DAYS, View, parse_query
from backend.web.problems import Problem
from tests.backend.acceptance.traffic import mixed_traffic, store
from tests.backend.admin.conftest import HTML, NOW, Admin

TODAY = date(2026, 11, 20)
CHOICES = Choices(["a.example", "b&c=d"], ["light-1", "light-2"], date(2025, 1, 2))


def view(query: str, choices: Choices = CHOICES) -> View:
    return parse_query(parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query)), choices, TODAY)


def span(query: str, choices: Choices = CHOICES) -> tuple[str, str]:
    filters = view(query, choices).filters
    return filters.since.isoformat(), filters.until.isoformat()


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("", "2026-10-24", "2026-11-20"),
        ("period=7d", "2026-11-14", "2026-11-20"),
        ("period=28d", "2026-10-24", "2026-11-20"),
        ("period=all", "2025-01-02", "2026-11-20"),
        ("since=2026-11-01&until=2026-11-01", "2026-11-01", "2026-11-01"),
        ("since=2026-11-01", "2026-11-01", "2026-11-20"),
        ("until=2026-11-01", "2026-11-01", "2026-11-01"),
        ("month=2026-10", "2026-10-01", "2026-10-31"),
        ("month=2028-02", "2028-02-01", "2028-02-29"),
        # As a form sends what was left empty.
        ("period=&since=&until=&kind=&site=&model=", "2026-10-24", "2026-11-20"),
    ],
)
def test_a_span_is_a_period_or_two_days(query: str, since: str, until: str) -> None:
    assert span(query) == (since, until)


def test_all_time_begins_with_the_first_draft_and_has_an_end() -> None:
    assert span("period=all", Choices([], [], None)) == ("2026-11-20", "2026-11-20")
    since, _ = span("period=all", Choices([], [], date(1999, 1, 1)))
    assert date.fromisoformat(since) == TODAY - timedelta(days=MAX_DAYS - 1)


def test_other_filters_are_read() -> None:
    filters = view("kind=edit&site=b%26c%3Dd&model=light-2").filters
    assert (filters.kind, filters.site, filters.model_version) == ("edit", "b&c=d", "light-2")
    assert view("").filters.kind == "ask"


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("color=red", "period, month, since, until, kind, site, model, tag, sort"),
        ("sort=size", "viewed, best, worst, dismissed"),
        ("tag=" + "a" * 36, "35 characters"),
        ("month=2026-13", "YYYY-MM"),
        ("month=202610", "YYYY-MM"),
        ("month=2026-10&period=7d", "a month alone"),
        ("kind=question", "ask, edit, try, demo"),
        ("kind=ASK", "ask, edit, try, demo"),
        ("period=30d", "7d, 28d, 90d, 365d, all"),
        ("site=c.example", "a.example, b&c=d"),
        ("model=light-3", "light-1, light-2"),
        ("kind=ask&kind=edit", "given twice"),
        ("period=7d&since=2026-11-01", "either a period or two dates"),
        ("since=2026-11-02&until=2026-11-01", "no span"),
        ("compare=week", "before, year"),
        ("compare=year&compare_since=2026-01-01", "either with the same weeks a year before or from a day"),
        ("compare_since=2026-11-01", "not apart from those of 2026-10-24 to 2026-11-20"),
        ("compare_since=2026-09-27", "not apart"),
        ("since=1999-01-01", "no span"),
        ("since=2026-13-01", "YYYY-MM-DD"),
        ("since=20261101", "YYYY-MM-DD"),
        ("since=2026-W47-5", "YYYY-MM-DD"),
        ("since=yesterday", "YYYY-MM-DD"),
        ("until=9999-12-31", "YYYY-MM-DD"),
        ("since=0001-01-01&until=0001-01-02", "YYYY-MM-DD"),
    ],
)
def test_a_bad_filter_says_what_is_possible(query: str, words: str) -> None:
    with pytest.raises(Problem) as caught:
        view(query)
    assert caught.value.status_code == 422
    assert words in str(caught.value.detail)


def test_not_all_of_many_possible_values_are_named() -> None:
    many = Choices([f"{n}.example" for n in range(50)], [], None)
    with pytest.raises(Problem, match="and 30 more") as caught:
        view("site=x", many)
    assert len(caught.value.more["possible"]) == 20


@pytest.mark.parametrize(
    "query",
    ["", "period=7d&kind=edit", "since=2026-11-01&until=2026-11-03&site=b%26c%3Dd&model=light-1", "period=all"],
)
def test_a_view_can_be_shared_by_its_address(query: str) -> None:
    assert view(view(query).query()) == view(query)


def test_a_preset_keeps_the_other_filters() -> None:
    shown = view("since=2026-11-01&until=2026-11-03&kind=edit&model=light-1")
    assert view(shown.query(period="7d")).filters == view("period=7d&kind=edit&model=light-1").filters


@pytest.mark.anyio
async def test_a_bad_filter_is_a_problem_and_to_a_browser_a_page(admin: Admin, engine: AsyncEngine) -> None:
    await store(engine, mixed_traffic(1, 40, NOW))
    response = await admin.get("/metrics/tags.json?site=evil.example")
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["filter"] == "site"
    assert "stackoverflow.com" in response.json()["possible"]
    page = await admin.get("/metrics?site=<script>alert(1)</script>", headers=HTML)
    assert page.status_code == 422
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert "stackoverflow.com" in page.text
    assert "<script" not in page.text
    # A scraper's query string is none of our filters.
    assert (await admin.get("/metrics?name[]=up")).status_code == 200


def test_search_and_order_of_tags_stay_in_the_address() -> None:
    asked = view("tag=+Pandas&sort=worst&kind=edit")
    assert (asked.search, asked.sort) == ("pandas", "worst")
    assert view(asked.query()) == asked
    assert view(asked.query(sort="best")).sort == "best"
    assert "sort" not in view("sort=viewed").query()


@pytest.mark.parametrize(
    ("query", "since", "until"),
    [
        ("", "2026-09-26", "2026-10-23"),
        ("compare=before&period=7d", "2026-11-07", "2026-11-13"),
        ("compare=year", "2025-10-25", "2025-11-21"),
        ("compare=year&period=all", "2023-01-05", "2024-11-22"),
        ("compare_since=2026-09-26", "2026-09-26", "2026-10-23"),
        ("compare_since=2026-06-01", "2026-06-01", "2026-06-28"),
        ("since=2026-05-01&until=2026-05-03&compare_since=2026-05-04", "2026-05-04", "2026-05-06"),
    ],
)
def test_a_period_is_compared_with_as_many_other_days(query: str, since: str, until: str) -> None:
    shown = view(query)
    assert (shown.before.since.isoformat(), shown.before.until.isoformat()) == (since, until)
    assert len(shown.before.days) == len(shown.filters.days)
    assert view(shown.query()) == shown


def test_other_days_drop_a_comparison_that_may_overlap_with_them() -> None:
    shown = view("compare_since=2026-06-01&kind=edit")
    assert "compare_since" not in shown.query(period="all")
    assert "compare_since" not in shown.query(since="2026-11-01", until="2026-11-01")
    assert view("compare=year").query(period="7d") == "period=7d&compare=year"


def test_a_day_that_is_chosen_ends_the_preset() -> None:
    assert view("period=7d&kind=edit").query(since="2026-11-15", until="2026-11-15") == (
        "since=2026-11-15&until=2026-11-15&kind=edit"
    )
