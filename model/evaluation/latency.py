"""How long one suggestion takes, from a draft's text to its tags, by the draft's length, on one thread."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from model.questions import Question
from model.runs.progress import OpenBar
from model.serving.classifier import Classifier

LENGTHS: Final = (0, 500, 2_000, 10_000, 50_000)
"""Characters of the bodies that are timed."""
LIMITED_LENGTH: Final = 2_000
"""The length for which a tier has a limit."""
DRAFTS: Final = 300


def measure_latency(classifier: Classifier, questions: Sequence[Question], bar: OpenBar) -> list[dict[str, float]]:
    """Time ``DRAFTS`` suggestions, one after the other, for titles with bodies of exactly each of ``LENGTHS``.

    Args:
        bar: opens a progress bar of a label and a length.

    Returns ``[{body_chars, n, p50, p99}]``, milliseconds; without any body, only titles are timed.
    """
    has_body = any(question.body.strip() for question in questions)
    lengths = LENGTHS if has_body else LENGTHS[:1]
    advance = bar(f"{classifier.version}: timing", DRAFTS * len(lengths))
    return [
        {"body_chars": chars} | time_drafts(classifier.suggest, make_drafts(questions, chars, DRAFTS), advance)
        for chars in lengths
    ]


def make_drafts(questions: Sequence[Question], chars: int, n: int) -> list[tuple[str, str]]:
    """Put ``n`` drafts together: the questions' titles, with bodies of ``chars`` characters from their own bodies."""
    text = "\n\n".join(question.body for question in questions if question.body.strip())[: n * LIMITED_LENGTH]
    text = text * -(-2 * chars // max(len(text), 1))
    starts = [i * LIMITED_LENGTH % max(len(text) - chars, 1) for i in range(n)]
    return [(questions[i % len(questions)].title, text[start : start + chars]) for i, start in enumerate(starts)]


def time_drafts(
    suggest: Callable[[str, str], object],
    drafts: Sequence[tuple[str, str]],
    after_each: Callable[[], None] = lambda: None,
) -> dict[str, float]:
    """Time what answers drafts, one after the other: ``{n, p50, p99}``, milliseconds."""
    times = []
    for title, body in drafts:
        before = time.perf_counter()
        suggest(title, body)
        times.append((time.perf_counter() - before) * 1_000)
        after_each()
    p50, p99 = np.percentile(times, [50, 99])
    return {"n": len(times), "p50": float(p50), "p99": float(p99)}
