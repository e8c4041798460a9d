"""A gate that is measured on questions goes by its interval, and says how many questions would decide."""

import numpy as np
import pytest

from model.evaluation.answers import Answer
from model.evaluation.metrics import compute_differences
from model.registry.verdict import Verdict, judge, questions_needed


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


@pytest.mark.parametrize(
    ("measured", "least", "verdict"),
    [
        (interval(-0.013, -0.031, 0.002), -0.01, Verdict.UNDECIDED),  # the case of 456 questions
        (interval(-0.004, -0.031, 0.020), -0.01, Verdict.UNDECIDED),
        (interval(-0.004, -0.009, 0.001), -0.01, Verdict.PASSED),
        (interval(-0.156, -0.200, -0.110), -0.01, Verdict.FAILED),
        (interval(-0.020, -0.030, -0.0101), -0.01, Verdict.FAILED),
        (interval(0.0, 0.0, 0.0), -0.01, Verdict.PASSED),
        (interval(0.0, 0.0, 0.0), 0.0, Verdict.PASSED),
        (interval(0.48, 0.43, 0.53), 0.5, Verdict.UNDECIDED),
        (interval(0.40, 0.35, 0.45), 0.5, Verdict.FAILED),
    ],
)
def test_e8_the_whole_interval_decides(measured: dict[str, float], least: float, verdict: Verdict) -> None:
    assert judge(measured, least) is verdict


@pytest.mark.parametrize(
    ("measured", "n", "needed"),
    [
        (interval(-0.013, -0.031, 0.002), 456, 12_000),  # 456 * (15 / 3)**2, rounded up to two digits
        (interval(-0.005, -0.015, 0.005), 100, 400),
        (interval(-0.01, -0.03, 0.01), 456, None),  # on the bound: no number of questions would tell
        (interval(-0.0101, -0.05, 0.05), 10_000, None),
    ],
)
def test_e8_it_is_said_how_many_questions_would_decide(measured: dict[str, float], n: int, needed: int | None) -> None:
    assert questions_needed(measured, -0.01, n) == needed


def test_e8_so_many_questions_do_decide_if_the_figure_stays() -> None:
    def compared(n: int) -> dict[str, float]:
        """Answers of which 5 % are right in the first alone and 8 % in the second alone, whatever n."""
        share = np.arange(n) / n
        first = [Answer(("a" if s < 0.55 else "b",), (0.5,), 1) for s in share]
        second = [Answer(("a" if s < 0.5 or s >= 0.92 else "b",), (0.5,), 1) for s in share]
        return compute_differences([("a",)] * n, first, second)["P@1"]

    measured = compared(400)
    assert judge(measured, -0.01) is Verdict.UNDECIDED
    needed = questions_needed(measured, -0.01, 400)
    assert needed is not None
    assert judge(compared(round(1.2 * needed)), -0.01) is Verdict.FAILED
    assert judge(compared(round(0.7 * needed)), -0.01) is Verdict.UNDECIDED
