"""How long one suggestion takes, from a draft's text to its tags, on one thread."""

import time
from collections.abc import Sequence
from typing import Final

import numpy as np

from model.classifier import Classifier
from model.questions import Question

BODY_CHARS: Final = 2_000
DRAFTS: Final = 1_000


def latency(classifier: Classifier, questions: Sequence[Question]) -> dict[str, float]:
    """Time ``DRAFTS`` suggestions for titles with exactly ``BODY_CHARS`` characters of body, one after the other.

    Bodies are put together from the questions' own. Returns ``{body_chars, n, p50, p99}``, milliseconds; n is 0 if no
    question has a body.
    """
    text = "\n\n".join(question.body for question in questions if question.body.strip())[: DRAFTS * BODY_CHARS]
    if not text:
        return {"body_chars": BODY_CHARS, "n": 0, "p50": 0.0, "p99": 0.0}
    text *= -(-BODY_CHARS // len(text))
    times = []
    for i in range(DRAFTS):
        start = i * BODY_CHARS % max(len(text) - BODY_CHARS, 1)
        title, body = questions[i % len(questions)].title, text[start : start + BODY_CHARS]
        before = time.perf_counter()
        classifier.suggest(title, body, body_format="markdown")
        times.append((time.perf_counter() - before) * 1_000)
    p50, p99 = np.percentile(times, [50, 99])
    return {"body_chars": BODY_CHARS, "n": DRAFTS, "p50": float(p50), "p99": float(p99)}
