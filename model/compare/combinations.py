"""Encoders with classifiers: each encoder once, each classifier on what it gives, measured as it would be served."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from model.compare import classifiers
from model.compare.classifiers import Learner, Matrix
from model.compare.decision import best_tags, fit_threshold, show_tags
from model.compare.encoders import Encoder, MiniLM, TfIdf, Word2Vec
from model.compare.sample import Settings, Split
from model.compare.served import InOnnx, InPython, Served, measure_parity
from model.evaluation import latency
from model.evaluation.answers import Answer
from model.evaluation.metrics import compute_metrics
from model.questions import Question
from model.runs.arrays import Floats
from model.runs.progress import OpenBar

ENCODERS: Final = (TfIdf.name, Word2Vec.name, MiniLM.name)
TIMED: Final = 200
"""Drafts whose latency is measured."""
CHECKED: Final = 200
"""Questions of tune on which an export is compared with what was trained, beside hard texts."""
_SEARCHED_SHARE: Final = 0.3
"""Share of the training questions on which drawn hyperparameters are tried."""


def measure_encoder(
    name: str,
    wanted: Sequence[tuple[str, Sequence[str]]],
    parts: Split,
    settings: Settings,
    hard_texts: Sequence[tuple[str, str]],
    say: Callable[[str], None],
    bar: OpenBar,
) -> Iterator[dict[str, Any]]:
    """Encode once, then train and measure one classifier after the other.

    Args:
        name: of the encoder.
        wanted: names of classifiers, each with the tags that it learns.
        hard_texts: drafts on which an export must agree too, ready.
        bar: opens a progress bar for a label and a length.

    Raises:
        model.training.encoder.minilm.EncoderMissing: MiniLM's weights are not installed.
    """
    say(f"{name}: learning to encode {len(parts.train):,} questions")
    began = read_clocks()
    encoder = _train_encoder(name, parts, settings)
    train, tune, dev = (
        encoder.encode(questions, bar(f"{name}: encoding", len(questions)))
        for questions in (parts.train, parts.tune, parts.dev)
    )
    share = len(parts.train) / (len(parts.train) + len(parts.tune) + len(parts.dev))
    encoding = (read_clocks() - began) * share
    for classifier, tags in wanted:
        y = make_targets(parts.train, tags)
        learner = next(learner for learner in classifiers.LEARNERS if learner.name == classifier)
        if settings.search:
            learner = _search(learner, train, y, tune, parts.tune, tags, settings, say, bar)
        began = read_clocks()
        advance = bar(f"{name} + {classifier}", learner.steps(len(tags)))
        fitted = learner.fit(train, y, settings.seed, settings.threads, advance)
        training = read_clocks() - began + encoding
        texts = [*hard_texts, *((question.title, question.body) for question in parts.tune[:CHECKED])]
        served: Served = InOnnx(encoder, fitted, len(tags))
        checked = measure_parity(served, encoder, fitted, texts)
        if not checked.exact:
            served = InPython(encoder, fitted)
        result = {
            "tags": len(tags),
            "trained_on": len(parts.train),
            "hyperparameters": classifiers.hyperparameters(learner),
            "training_s": float(training[0]),
            "training_cpu_s": float(training[1]),
            "encoding_s": float(encoding[0]),
            "megabytes": served.megabytes,
            "runtime": served.runtime,
            "parity": asdict(checked),
            "latency_ms": time_suggestions(served.scores, parts),
        }
        answers = best_tags(fitted.scores(tune), tags), best_tags(fitted.scores(dev), tags)
        yield result | measure_quality(*answers, parts, settings.seed)


def _train_encoder(name: str, parts: Split, settings: Settings) -> Encoder:
    if name == TfIdf.name:
        return TfIdf(parts.train)
    if name == Word2Vec.name:
        return Word2Vec(parts.train, settings.seed)
    return MiniLM(settings.threads)


def read_clocks() -> NDArray[np.float64]:
    """Return the seconds that a clock shows, and those that this process took of all cores."""
    return np.array([time.monotonic(), time.process_time()])


def _search(
    learner: Learner,
    train: Matrix,
    y: Floats,
    tune: Matrix,
    tuned: Sequence[Question],
    tags: Sequence[str],
    settings: Settings,
    say: Callable[[str], None],
    bar: OpenBar,
) -> Learner:
    """Return the hyperparameters with the best R@5 on tune, of the defaults and ``search`` drawn ones."""
    random = np.random.default_rng(settings.seed)
    rows = np.sort(random.choice(len(y), max(1, int(_SEARCHED_SHARE * len(y))), replace=False))
    posted = [question.tags for question in tuned]
    tried = [learner, *(learner.drawn(random) for _ in range(settings.search))]

    def quality(one: Learner) -> float:
        advance = bar(f"{learner.name}: searching", one.steps(len(tags)))
        fitted = one.fit(train[rows], y[rows], settings.seed, settings.threads, advance)
        best = best_tags(fitted.scores(tune), tags)
        return float(
            np.mean([len(set(a.tags) & set(own)) / min(5, len(own)) for a, own in zip(best, posted, strict=True)])
        )

    chosen = max(tried, key=quality)
    say(f"{learner.name}: of {len(tried)}, the best are {classifiers.hyperparameters(chosen)}")
    return chosen


def make_targets(questions: Sequence[Question], tags: Sequence[str]) -> Floats:
    """Return which question has which tag: 0 or 1, [questions, tags]."""
    number = {tag: i for i, tag in enumerate(tags)}
    y = np.zeros((len(questions), len(tags)), np.float32)
    for i, question in enumerate(questions):
        y[i, [number[tag] for tag in question.tags if tag in number]] = 1
    return y


def measure_quality(tuned: Sequence[Answer], measured: Sequence[Answer], parts: Split, seed: int) -> dict[str, Any]:
    """Fit the rule on tune and measure on dev."""
    threshold = fit_threshold(tuned, [question.tags for question in parts.tune])
    posted = [question.tags for question in parts.dev]
    return {
        "n": len(posted),
        "left_out": dict(parts.left_out),
        "split": "dev",
        "threshold": threshold,
        "metrics": compute_metrics(posted, show_tags(measured, threshold), seed),
    }


def time_suggestions(suggest: Callable[[str, str], object], parts: Split) -> dict[str, float]:
    """Time ``TIMED`` drafts of one length: ``{body_chars, n, p50, p99}``, milliseconds."""
    with threadpool_limits(1):
        latencies = latency.time_drafts(suggest, latency.make_drafts(parts.dev, latency.LIMITED_LENGTH, TIMED))
    return {"body_chars": latency.LIMITED_LENGTH} | latencies
