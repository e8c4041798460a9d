"""The chart of the first screen: true to its numbers on a scale that fits them."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from backend.acceptance.figures import Rate
from backend.admin.charts import BELOW, TOP, to_point
from backend.admin.trend_chart import Trend, fit_scale, trend_chart, week_means

FIRST, HEIGHT = date(2026, 11, 1), 240.0


def draw(results: list[Rate], before: list[float | None], *, width: float = 700.0) -> ElementTree.Element:
    points = [to_point(FIRST + timedelta(days=n), result, lambda: "words") for n, result in enumerate(results)]
    trend = Trend(points, week_means(results), before, [f"/metrics?day={n}&kind=ask" for n in range(len(results))])
    return ElementTree.fromstring(f"<div>{trend_chart(trend, label='Trend', width=width, height=HEIGHT)}</div>")


def by_class(tree: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [node for node in tree.iter() if node.get("class") == name]


def test_a_weeks_mean_weighs_days_by_what_was_seen_and_waits_for_enough() -> None:
    results = [Rate(5, 20), Rate(10, 20), Rate(0, 0), *[Rate(10, 20)] * 5]
    means = week_means(results)
    assert means[:3] == [None, 15 / 40, 15 / 40]
    # The eighth day's week no longer has the first.
    assert means[6:] == [pytest.approx(55 / 120), pytest.approx(60 / 120)]


@pytest.mark.parametrize(
    ("values", "low", "high"),
    [
        ([], 0.0, 1.0),
        ([0.31, 0.44], 0.3, 0.45),
        ([0.4, 0.4], 0.35, 0.45),
        ([0.01, 0.02], 0.0, 0.08),
        ([0.99, 1.0], 0.94, 1.0),
        ([0.05, 0.95], 0.0, 1.0),
    ],
)
def test_the_scale_fits_the_values_and_makes_no_drama_of_little(values: list[float], low: float, high: float) -> None:
    lower, upper, _ = fit_scale(values)
    assert [lower, upper] == pytest.approx([low, high])
    assert all(lower <= value <= upper + 1e-9 for value in values)


def test_days_weeks_and_the_period_before_share_one_scale() -> None:
    tree = draw([Rate(40, 100), Rate(50, 100), Rate(45, 100)], [None, 0.48, 0.42])
    (days,), (weeks,), (before,) = by_class(tree, "line day"), by_class(tree, "line"), by_class(tree, "line before")

    def heights(line: ElementTree.Element) -> list[float]:
        return [float(pair.split(",")[1]) for pair in line.get("points", "").split()]

    floor = HEIGHT - BELOW

    def y(share: float) -> float:
        return floor - (floor - TOP) * (share - 0.4) / 0.1

    assert heights(days) == pytest.approx([y(0.4), y(0.5), y(0.45)], abs=0.1)
    assert heights(weeks) == pytest.approx([y(0.4), y(0.45), y(0.45)], abs=0.1)
    assert heights(before) == pytest.approx([y(0.48), y(0.42)], abs=0.1)
    assert [node.text for node in by_class(tree, "tick")][:2] == ["40 %", "42 %"]


def test_each_day_is_a_link_for_pointers_over_a_picture_without_any() -> None:
    picture, links = draw([Rate(40, 100), Rate(0, 0)], [None, None])
    assert picture.get("role") == "img"
    assert not [node for node in picture.iter() if node.tag == "a"]
    assert links.get("aria-hidden") == "true"
    assert [node.get("href") for node in links] == ["/metrics?day=0&kind=ask", "/metrics?day=1&kind=ask"]
    assert {node.get("tabindex") for node in links} == {"-1"}


def test_hundreds_of_days_have_no_dots_and_no_links() -> None:
    tree = draw([Rate(40, 100)] * 800, [None] * 800)
    assert not by_class(tree, "dot")
    assert len(list(tree)) == 1
