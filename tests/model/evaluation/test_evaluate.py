"""The metrics are those that a person counts by hand."""

from collections import Counter

import pytest

from model.evaluation.answers import Answer, answer_most_frequent
from model.evaluation.metrics import compute_differences, compute_metrics, reliability
from model.evaluation.report import build_report, format_report, measure_by_frequency
from model.questions import Question

POSTED = [("a", "b"), ("c",), ("a", "d", "e", "f", "g", "h"), ("z",)]
GIVEN = [
    Answer(("a", "x", "b", "y", "w"), (0.9, 0.6, 0.5, 0.1, 0.1), 3),
    Answer(("c", "a", "x", "y", "w"), (0.8, 0.2, 0.1, 0.1, 0.1), 1),
    Answer(("x", "d", "e", "f", "g"), (0.3, 0.2, 0.2, 0.2, 0.1), 0),
    Answer((), (), 0),
]


def value(name: str) -> float:
    return compute_metrics(POSTED, GIVEN)[name]["value"]


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("P@1", (1 + 1 + 0 + 0) / 4),
        ("P@3", (2 / 3 + 1 / 3 + 2 / 3 + 0) / 4),
        ("P@5", (2 / 5 + 1 / 5 + 4 / 5 + 0) / 4),
        ("R@5", (2 / 2 + 1 / 1 + 4 / 5 + 0) / 4),
        ("R@5 of all", (2 / 2 + 1 / 1 + 4 / 6 + 0) / 4),
        ("F1@5", (4 / 7 + 2 / 6 + 8 / 11 + 0) / 4),
        ("hit@1", 2 / 4),
        ("hit@3", 3 / 4),
        ("hit@5", 3 / 4),
        ("all@5", 2 / 4),
        ("Jaccard", (2 / 3 + 1 + 0 + 0) / 4),
        ("F1 samples", (4 / 5 + 1 + 0 + 0) / 4),
        ("F1 micro", 2 * 3 / (4 + 10)),
        ("Jaccard micro", 3 / (4 + 10 - 3)),
        ("precision", 3 / 4),
        ("recall", 3 / 10),
        ("exact match", 1 / 4),
        ("coverage", 2 / 4),
        # Of a, b, c, d, e, f, g, h, z, x: a shown 1, posted 2, right 1; b and c are right; seven others are not.
        ("F1 macro", (2 / 3 + 1 + 1) / 10),
        ("Jaccard macro", (1 / 2 + 1 + 1) / 10),
    ],
)
def test_each_metric_is_the_one_counted_by_hand(name: str, counted: float) -> None:
    assert value(name) == pytest.approx(counted)


def test_intervals_hold_the_value_and_the_same_seed_gives_the_same() -> None:
    posted, given = POSTED * 25, GIVEN * 25
    first, again, other = (compute_metrics(posted, given, seed) for seed in (1, 1, 2))
    assert first == again
    assert first["R@5"] != other["R@5"]
    for of in first.values():
        assert of["low"] <= of["value"] <= of["high"] or of["value"] == pytest.approx(of["low"], abs=0.1)
    # P@1 is a mean of 100 answers of 0 or 1, half of each: the normal interval is .5 ± 1.96 · .05.
    assert first["P@1"]["low"] == pytest.approx(0.402, abs=0.03)
    assert first["P@1"]["high"] == pytest.approx(0.598, abs=0.03)


def test_a_score_that_means_what_it_says_has_no_calibration_error() -> None:
    right, wrong = Answer(("a",), (0.75,), 1), Answer(("x",), (0.75,), 1)
    assert compute_metrics([("a",)] * 4, [right, right, right, wrong])["ECE"]["value"] == pytest.approx(0)
    assert compute_metrics([("a",)] * 4, [right, wrong, wrong, wrong])["ECE"]["value"] == pytest.approx(0.5)


def test_nothing_to_measure_on_is_said() -> None:
    with pytest.raises(ValueError, match="no question"):
        compute_metrics([], [])


def question(tags: tuple[str, ...], *, complete: bool = True, body: str = "", source: str = "s") -> Question:
    return Question("t", body, tags, complete, 2020, None, source, "dev")


def test_only_complete_questions_count_and_parts_are_measured_apart() -> None:
    asked = [question(("a",), body="b")] * 60 + [question(("a",))] * 70 + [question(("q",), complete=False)] * 50
    given = [Answer(("a",), (0.9,), 1)] * 60 + [Answer(("x",), (0.9,), 1)] * 70 + [Answer(("x",), (0.9,), 1)] * 50
    result = build_report(asked, given, {})
    assert result["n"] == 130
    assert result["parts"]["kind"]["with a body"]["metrics"]["P@1"]["value"] == 1
    assert result["parts"]["kind"]["title only"]["metrics"]["P@1"]["value"] == 0
    assert result["parts"]["kind"]["title only"]["n"] == 70


def test_drafts_are_parted_by_the_length_of_their_bodies() -> None:
    lengths = (0, 499, 500, 1_499, 1_500)
    asked = [question(("a",), body="b" * n) for n in lengths for _ in range(50)]
    parts = build_report(asked, [Answer(("a",), (0.9,), 1)] * len(asked), {})["parts"]["length"]
    counted = {part: of["n"] for part, of in parts.items()}
    assert counted == {"title only": 50, "body under 500": 50, "body under 1,500": 100, "longer body": 50}


def test_tags_are_counted_by_their_uses_in_training() -> None:
    counted = measure_by_frequency(POSTED, GIVEN, {"a": 10_000, "b": 99, "c": 100, "x": 29})
    # Posted of 5,000 uses or more: a, twice, once among the best five; shown once and right.
    assert counted["5,000 or more"] == {"posted": 2, "found": 0.5, "shown": 1, "right": 1.0}
    assert counted["under 100"] == {"posted": 1, "found": 1.0, "shown": 1, "right": 1.0}
    assert counted["under 1,000"] == {"posted": 1, "found": 1.0, "shown": 1, "right": 1.0}
    assert counted["under 30"] == {"posted": 0, "found": 0.0, "shown": 1, "right": 0.0}
    assert counted["never"] == {"posted": 6, "found": 4 / 6, "shown": 0, "right": 0.0}


def test_what_is_right_in_a_bin_is_told_beside_its_score() -> None:
    given = [Answer(("a",), (score,), 1) for score in (0.2,) * 50 + (0.8,) * 50]
    posted = [("a",) if i % 5 == 0 else ("b",) for i in range(50)] + [("a",)] * 50
    told = reliability(posted, given)
    assert sum(of["n"] for of in told) == 100
    assert {(round(of["score"], 2), round(of["right"], 2)) for of in told} == {(0.2, 0.2), (0.8, 1.0)}


def test_a_sure_difference_is_sure_where_the_intervals_of_both_overlap() -> None:
    """The second answers are right where the first are, and in five of 200 questions more."""
    posted = [("a",)] * 200
    first = [Answer(("a" if i % 2 else "x",), (0.5,), 1) for i in range(200)]
    second = [Answer(("a",), (0.5,), 1) if i < 20 else first[i] for i in range(200)]
    found = compute_differences(posted, second, first)["P@1"]
    assert found["value"] == pytest.approx(10 / 200)
    assert 0 < found["low"] < found["value"] < found["high"]
    assert compute_metrics(posted, first)["P@1"]["high"] > compute_metrics(posted, second)["P@1"]["low"]


def test_the_terminal_shows_models_baselines_and_what_lies_between() -> None:
    asked = [question(("a",))] * 60
    good, poor = ([Answer((tag,), (0.9,), 1)] * 60 for tag in "ax")
    posted = [q.tags for q in asked]
    timed = [{"body_chars": 2_000, "n": 9, "p50": 1.25, "p99": 2.5}]
    printed = format_report(
        {
            "split": "dev",
            "n": 60,
            "models": {
                "full-1": {"vocabulary": 2, "megabytes": 1.5, "latency_ms": timed} | build_report(asked, good, {"a": 7})
            },
            "baselines": {"commonest five": compute_metrics(posted, answer_most_frequent(asked, Counter("xx")))},
            "differences": {"full-1 against commonest five": compute_differences(posted, good, poor)},
        }
    )
    assert "n = 60 questions" in printed
    assert "by kind" in printed
    assert "P@1 +1.000" in printed
    assert "2,000 characters, n = 9: p50 1.25 ms" in printed
    assert any(line.split()[:2] == ["P@1", "1.000"] and "0.000" in line for line in printed.splitlines())


def test_c1_names_of_one_tag_are_judged_as_one() -> None:
    posted = [("osx", "swift"), ("oracle-database",)]
    given = [
        Answer(("macos", "osx", "swift"), (0.9, 0.8, 0.7), 3),
        Answer(("oracle",), (0.9,), 1),
    ]
    measured = compute_metrics(posted, given)
    assert measured["P@1"]["value"] == 1
    # The second name of a tag is no second hit, and takes its place for nothing.
    assert measured["P@3"]["value"] == pytest.approx((2 / 3 + 1 / 3) / 2)
    assert measured["all@5"]["value"] == 1
    assert compute_differences(posted, given, given)["P@1"]["value"] == 0
    assert measure_by_frequency(posted, given, {"osx": 20, "macos": 20})["under 100"]["found"] == 1
