"""Charts: well-formed SVG without script or style, true to its numbers, and honest about gaps."""

from datetime import date, timedelta
from xml.etree import ElementTree

import pytest

from backend.acceptance.figures import Rate
from backend.admin.charts import LEFT, TOP, Point, bar, element, end_of_scale, line_chart, runs, to_point
from tests.backend.acceptance.made_writers import acceptance_of

SVG_HEIGHT = 220.0
FLOOR = SVG_HEIGHT - 24


def a_point(number: int, value: float | None, *, few: bool = False, words: str = "") -> Point:
    low, high = (0.0, 0.0) if value is None else (max(0.0, value - 0.1), min(1.0, value + 0.1))
    return Point(date(2026, 11, 1) + timedelta(days=number), value, low, high, few, lambda: words)


def drawn(points: list[Point], *, width: float = 700.0) -> ElementTree.Element:
    return ElementTree.fromstring(line_chart(points, label="Acceptance by day", width=width))


def by_class(tree: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [node for node in tree.iter() if name in node.get("class", "").split()]


def coordinates(node: ElementTree.Element) -> list[tuple[float, float]]:
    return [tuple(map(float, pair.split(","))) for pair in node.get("points", "").split()]  # type: ignore[misc]


def test_text_and_attributes_are_escaped() -> None:
    node = element("text", '<b>&"', aria_label='"><script>')
    assert ElementTree.fromstring(node).text == '<b>&"'
    assert ElementTree.fromstring(node).get("aria-label") == '"><script>'


def test_a_line_passes_through_its_values_and_the_band_holds_its_bounds() -> None:
    values = [0.2, 0.4, 0.9]
    tree = drawn([a_point(n, value) for n, value in enumerate(values)])
    (polyline,), (band,) = by_class(tree, "line"), by_class(tree, "band")

    def y(share: float) -> float:
        return FLOOR - (FLOOR - TOP) * share

    assert [at for _, at in coordinates(polyline)] == pytest.approx([y(value) for value in values], abs=0.06)
    bounds = [0.3, 0.5, 1.0, 0.8, 0.3, 0.1]
    assert [at for _, at in coordinates(band)] == pytest.approx([y(bound) for bound in bounds], abs=0.06)
    across = [at for at, _ in coordinates(polyline)]
    assert across == sorted(across)
    assert across[0] > LEFT


def test_a_day_without_a_value_breaks_the_line() -> None:
    points = [a_point(n, value) for n, value in enumerate([0.1, 0.2, None, 0.3, None, 0.4, 0.5])]
    assert list(runs(points)) == [[0, 1], [3], [5, 6]]
    tree = drawn(points)
    assert len(by_class(tree, "line")) == 2
    assert len(by_class(tree, "band")) == 2
    # A day between two gaps is a dot with its interval, for a line needs two ends.
    assert len(by_class(tree, "whisker")) == 1


def test_no_value_at_all_is_an_empty_picture() -> None:
    tree = drawn([a_point(0, None), a_point(1, None)])
    assert not by_class(tree, "line")
    assert not by_class(tree, "dot")
    assert {node.text for node in by_class(tree, "tick")} >= {"0 %", "50 %", "100 %"}


def test_a_day_with_few_is_grey() -> None:
    tree = drawn([a_point(0, 0.1), a_point(1, 0.1, few=True)])
    assert len(by_class(tree, "dot")) == 2
    assert len(by_class(tree, "few")) == 1


def test_a_lone_day_is_a_dot_however_narrow() -> None:
    points = [a_point(n, 0.2 if n == 50 else None) for n in range(100)]
    assert len(by_class(drawn(points, width=200.0), "dot")) == 1


@pytest.mark.parametrize(
    ("values", "top"), [([0.0], 0.1), ([0.05], 0.2), ([0.11], 0.5), ([0.45], 1.0), ([1.0], 1.0), ([None], 1.0)]
)
def test_the_scale_ends_above_what_it_shows(values: list[float | None], top: float) -> None:
    points = [a_point(n, value) for n, value in enumerate(values)]
    assert end_of_scale(points) == top


def test_the_wide_interval_of_a_day_with_few_does_not_flatten_the_others() -> None:
    sure, unsure = a_point(0, 0.05), Point(date(2026, 11, 2), 0.1, 0.0, 0.9, True, str)
    assert end_of_scale([sure, unsure]) == 0.2
    assert end_of_scale([unsure]) == 1.0


def test_every_day_says_its_numbers_to_the_pointer() -> None:
    tree = drawn([a_point(0, 0.1, words="1 Nov: 10 % <b>"), a_point(1, None, words="2 Nov: n/a")])
    titles = [node.text for node in tree.iter() if node.tag == "title"]
    assert titles == ["1 Nov: 10 % <b>", "2 Nov: n/a"]


def test_years_are_named_where_there_are_two() -> None:
    points = [a_point(number * 30, 0.1) for number in range(4)]
    assert any(node.text and node.text.endswith(" 27") for node in by_class(drawn(points), "tick"))
    assert not any(node.text and node.text.endswith(" 26") for node in by_class(drawn(points[:2]), "tick"))


def test_a_bar_is_as_long_as_its_value_and_its_whisker_as_its_interval() -> None:
    figure = acceptance_of([(1, 4)] * 30)
    tree = ElementTree.fromstring(bar(figure, top=0.5))
    (fill,) = by_class(tree, "fill")
    assert float(fill.get("width", "")) == pytest.approx(50)
    assert figure.interval is not None
    low, high = figure.interval
    whisker = by_class(tree, "whisker")[0]
    assert (float(whisker.get("x1", "")), float(whisker.get("x2", ""))) == pytest.approx(
        (200 * low, 200 * high), abs=0.01
    )
    assert not by_class(tree, "few")
    # Without an interval there is only the bar.
    few = ElementTree.fromstring(bar(acceptance_of([(10, 40)] * 3)))
    assert not by_class(few, "whisker")
    assert [node.get("class") for node in by_class(few, "fill")] == ["fill few"]


def test_a_bar_of_nothing_is_an_empty_track() -> None:
    tree = ElementTree.fromstring(bar(Rate(0, 0)))
    assert [node.get("class") for node in tree] == ["track"]


def test_pictures_carry_no_style_and_no_script() -> None:
    figure = to_point(date(2026, 11, 1), Rate(1, 3), str)
    for picture in (line_chart([figure], label="x", width=340), bar(Rate(1, 3))):
        tree = ElementTree.fromstring(picture)
        assert not any("style" in node.attrib or node.tag in ("style", "script") for node in tree.iter())
        assert not any(name.startswith("on") for node in tree.iter() for name in node.attrib)
