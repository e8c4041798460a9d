"""Intervals and figures, by values that others have published or that one can count by hand."""

import math

import pytest

from backend.acceptance.figures import ACCEPTANCE, FIGURES, JACCARD, Counts, Mean, Rate, add_counts, compute_change
from backend.acceptance.intervals import difference_interval, student_quantile, wilson_interval
from tests.backend.acceptance.made_writers import acceptance_of


@pytest.mark.parametrize(
    ("k", "n", "low", "high"),
    [
        # R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872, table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_agrees_with_published_values(k: int, n: int, low: float, high: float) -> None:
    assert wilson_interval(k, n) == pytest.approx((low, high), abs=6e-5)


def wilson_bounds(k: float, n: int) -> tuple[float, float]:
    """Return Wilson's interval where something was counted."""
    bounds = wilson_interval(k, n)
    assert bounds is not None
    return bounds


def test_wilson_solves_the_equation_it_comes_from() -> None:
    for k, n in ((1, 7), (3, 29), (50, 1000), (999, 1000)):
        for bound in wilson_bounds(k, n):
            assert abs(k / n - bound) == pytest.approx(1.959964 * math.sqrt(bound * (1 - bound) / n), rel=1e-5)


@pytest.mark.parametrize("n", [1, 2, 30, 10_000_000])
def test_wilson_stays_within_and_touches_the_ends(n: int) -> None:
    low, high = wilson_bounds(0, n)
    assert low == 0 < high < 1
    low, high = wilson_bounds(n, n)
    assert 0 < low < high == 1


def test_an_interval_of_nothing_is_none() -> None:
    assert wilson_interval(0, 0) is None


@pytest.mark.parametrize(("k", "n"), [(-1, 5), (6, 5), (1, 0)])
def test_more_hits_than_trials_are_an_error(k: int, n: int) -> None:
    with pytest.raises(ValueError, match="not a share"):
        wilson_interval(k, n)


@pytest.mark.parametrize(
    ("freedom", "quantile"),
    # Any table of Student's t, two-sided 95 %.
    [(1, 12.7062), (2, 4.3027), (3, 3.1824), (4, 2.7764), (5, 2.5706), (10, 2.2281), (30, 2.0423), (1000, 1.9623)],
)
def test_student_quantile_agrees_with_the_tables(freedom: int, quantile: float) -> None:
    assert student_quantile(freedom) == pytest.approx(quantile, rel=2e-3)


def test_an_empty_denominator_is_not_zero_per_cent() -> None:
    for figure in FIGURES:
        result = figure.compute(Counts())
        assert result.value is None
        assert result.interval is None
        assert result.n == 0


def test_zero_of_something_is_zero_per_cent() -> None:
    assert ACCEPTANCE.compute(Counts(viewed=1)).value == 0
    assert ACCEPTANCE.compute(Counts(viewed=1)).interval is None


def test_counts_add_up_field_by_field() -> None:
    assert add_counts([Counts(viewed=2, accepted=1), Counts(viewed=3, f1_sum=0.5)]) == Counts(
        viewed=5, accepted=1, f1_sum=0.5
    )
    assert add_counts([]) == Counts()


def test_a_mean_weighs_every_draft_the_same() -> None:
    # One draft with 1 of 1, one with 0 of 9: half, where all tags together would be a tenth.
    counts = Counts(union_n=2, jaccard_sum=1.0, jaccard_squares=1.0, matched_tags=1, offered_tags=5, posted_tags=6)
    assert JACCARD.compute(counts) == Mean(2, 1.0, 1.0, 1, 10, 0)
    assert JACCARD.compute(counts).value == 0.5


def test_a_rate_is_its_fraction() -> None:
    assert Rate(2, 4).value == 0.5
    assert Rate(2, 4).n == 4


def test_the_interval_of_a_difference_is_newcombes() -> None:
    # Newcombe 1998, table II, method 10: 56/70 against 48/80, and 10/10 against 0/10.
    low, high = difference_interval(56 / 70, wilson_bounds(56, 70), 48 / 80, wilson_bounds(48, 80))
    assert (round(low, 4), round(high, 4)) == (0.0524, 0.3339)
    low, high = difference_interval(1.0, wilson_bounds(10, 10), 0.0, wilson_bounds(0, 10))
    assert (round(low, 4), round(high, 4)) == (0.6075, 1.0)


def test_a_change_is_shown_only_between_periods_with_enough_writers() -> None:
    many, few = acceptance_of([(6, 10), (5, 10)] * 30), acceptance_of([(10, 100)] * 4)
    assert compute_change(many, few) is None
    assert compute_change(few, many) is None
    assert compute_change(many, acceptance_of([(0, 0)])) is None
    assert compute_change(many, Rate(4, 10)) is None
    grown = compute_change(many, acceptance_of([(4, 10), (3, 10)] * 30, 100))
    assert grown is not None
    assert grown.significant
    assert grown.value == pytest.approx(0.2)
    chance = compute_change(acceptance_of([(1, 1), (0, 1)] * 10), acceptance_of([(1, 1), (1, 1), (0, 1)] * 7, 100))
    assert chance is not None
    assert not chance.significant


def test_a_figure_says_who_is_behind_it_or_why_it_has_no_interval() -> None:
    assert (acceptance_of([(6, 10)] * 9).writers, acceptance_of([(6, 10)] * 9).remark) == (9, None)
    assert acceptance_of([(0, 0)] * 9).remark == "nothing counted"
    assert acceptance_of([(40, 100)] * 4).remark == "too few writers"
    assert acceptance_of([(4, 10)] * 9 + [(300, 1000)]).remark == "too few writers"
    assert Rate(4, 10).remark == "not counted by writer"
