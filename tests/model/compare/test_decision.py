"""The rule that all compared models share, counted by hand."""

import numpy as np
import pytest

from model.compare.decision import best_tags, fit_threshold, show_tags
from model.evaluation.answers import Answer
from model.evaluation.metrics import compute_metrics

TAGS = ("a", "b", "c", "d", "e", "f")


def test_the_best_five_come_first_and_nothing_is_shown_yet() -> None:
    (answer,) = best_tags(np.array([[0.1, 0.9, 0.3, 0.0, 0.2, 0.8]], np.float32), TAGS)
    assert answer.tags == ("b", "f", "c", "e", "a")
    assert answer.scores == pytest.approx((0.9, 0.8, 0.3, 0.2, 0.1))
    assert answer.confident == 0


def test_tags_are_shown_from_the_threshold_on_and_at_least_one() -> None:
    given = [Answer(("a", "b", "c"), (0.9, 0.5, 0.1), 0), Answer(("a", "b"), (0.2, 0.1), 0), Answer((), (), 0)]
    assert [answer.confident for answer in show_tags(given, 0.5)] == [2, 1, 0]


def test_the_threshold_is_the_one_with_the_best_jaccard() -> None:
    given = [Answer(("a", "b", "c"), (0.9, 0.6, 0.3), 0), Answer(("b", "d", "c"), (0.8, 0.7, 0.2), 0)]
    posted = [("a", "b"), ("b", "d")]
    # Shown from .6 on, both are exactly right; from .7 on, the first has one of its two tags.
    threshold = fit_threshold(given, posted)
    assert 0.3 < threshold <= 0.6
    assert compute_metrics(posted, show_tags(given, threshold))["Jaccard"]["value"] == 1
    assert compute_metrics(posted, show_tags(given, 0.65))["Jaccard"]["value"] == pytest.approx((1 / 2 + 1) / 2)


def test_nothing_to_fit_on_is_said() -> None:
    with pytest.raises(ValueError, match="no answer"):
        fit_threshold([Answer((), (), 0)], [("a",)])
