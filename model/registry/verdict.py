"""What an interval says about a bound: passed, failed, or that chance may decide it."""

import math
from collections.abc import Mapping
from enum import Enum
from typing import Final

MAX_QUESTIONS: Final = 1_000_000
"""Above this, the number of questions that would tell is of no use to anyone."""


class Verdict(Enum):
    """How a measured value stands to the least that is allowed."""

    PASSED = "passed"
    FAILED = "failed"
    UNDECIDED = "undecided"


def judge(measured: Mapping[str, float], least: float) -> Verdict:
    """Judge a value by its 95 % interval, ``{value, low, high}``.

    It passes if the whole interval is allowed, and fails if none of it is. An interval that holds the bound decides
    nothing: what was measured may be chance.
    """
    if measured["low"] >= least:
        return Verdict.PASSED
    return Verdict.FAILED if measured["high"] < least else Verdict.UNDECIDED


def questions_needed(measured: Mapping[str, float], least: float, n: int) -> int | None:
    """Return how many questions would decide about this value, or None if more than ``MAX_QUESTIONS``.

    The half of the interval that reaches across the bound shrinks with the root of the number of questions.
    """
    value = measured["value"]
    distance = abs(value - least)
    across = value - measured["low"] if value >= least else measured["high"] - value
    if distance == 0 or n * (across / distance) ** 2 > MAX_QUESTIONS:
        return None
    needed = math.ceil(n * (across / distance) ** 2)
    step: int = 10 ** max(len(str(needed)) - 2, 0)
    return -(-needed // step) * step
