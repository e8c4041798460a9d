"""How fast a model ages, and when training again is worth it: trained on old questions, asked newer ones.

Mixes of different years are different collections, and one may be harder than another. So an old model is compared with
a fresh one on the same newer questions: what the fresh one is better is age. Both learn from as many questions.
"""

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from model.evaluation.answers import Answer, answer_questions
from model.evaluation.metrics import compute_differences, compute_metrics
from model.evaluation.unseen import exclude_seen
from model.questions import Question, QuestionsError
from model.runs.parameters import to_record
from model.runs.progress import Progress
from model.runs.steps import Step
from model.serving.classifier import Classifier
from model.serving.synonyms import main_names
from model.training.build import DataSource, train_model
from model.training.tfidf import FeatureLimits
from model.training.train import TrainingParameters
from model.training.trained_titles import TrainedTitles, title_keys

STEP: Final = Step("backtest", "measure how a model ages", ("questions.parquet",), ("backtest.json",), __name__)
TEST_SHARE: Final = 0.3
"""Share of each mix that is only asked, by hash of the title."""
SHOWN: Final = ("P@1", "R@5", "hit@5", "Jaccard")
"""Metrics of the backtest."""
AMOUNTS: Final = (0, 500, 1_000, 2_000, 4_000)
"""How many newer questions are learned from beside the old ones, before all there are."""
WEIGHTS: Final = (1.0, 2.0, 4.0)
"""How many times each of the newer questions counts."""


@dataclass(frozen=True, slots=True)
class Mix:
    """The questions of one natural mix: its year, what models may learn from, and what they are asked.

    ``left_out`` are how many are not asked, since the same title is among those of some mix to learn from.
    """

    year: int
    learn: tuple[Question, ...]
    ask: tuple[Question, ...]
    left_out: int = 0


def split_mixes(questions: Sequence[Question], sources: Mapping[int, str]) -> list[Mix]:
    """Take the titles of some sources apart, oldest first.

    Args:
        sources: the source of each year's mix.

    Raises:
        QuestionsError: a source has no questions with complete tags.
    """
    mixes = []
    for year, source in sorted(sources.items()):
        rows = [replace(q, body="", split="train") for q in questions if q.source == source and q.tags_complete]
        rows.sort(key=_shuffle_key)
        n_test = round(TEST_SHARE * len(rows))
        if not n_test:
            raise QuestionsError(f"The file has no questions with complete tags of the source {source}.")
        mixes.append(Mix(year, _mark_tune(rows[n_test:]), tuple(rows[:n_test])))
    learned = TrainedTitles.of(question for mix in mixes for question in mix.learn)
    return [_exclude_learned(mix, learned) for mix in mixes]


def _exclude_learned(mix: Mix, learned: TrainedTitles) -> Mix:
    """Leave out of what is asked what a model of any mix learns from.

    Raises:
        QuestionsError: too few are left.
    """
    unseen = exclude_seen(mix.ask, {"models of the mixes": learned})
    unseen.require_enough()
    return replace(mix, ask=tuple(unseen.questions), left_out=unseen.left_out)


def measure_ageing(mixes: Sequence[Mix], parameters: TrainingParameters, progress: Progress) -> list[dict[str, Any]]:
    """Train a model as of each year, all on as many questions, and ask each its own and all newer years' questions.

    Returns rows of ``{trained, asked, n, rows, metrics, unknown, fresh}``: ``unknown`` is the share of the posted tags
    outside the vocabulary; ``fresh`` by how much the model as of the asked year is better.
    """
    rows = len(mixes[0].learn)
    answers: dict[tuple[int, int], Sequence[Answer]] = {}
    known: dict[int, frozenset[str]] = {}
    for i, mix in enumerate(mixes):
        newest_first = [question for each in reversed(mixes[: i + 1]) for question in each.learn]
        progress.log(f"as of {mix.year}: {rows:,} questions")
        model = _train(newest_first[:rows], parameters, progress)
        known[mix.year] = model.names
        for test_mix in mixes[i:]:
            bar = progress.open_bar(f"asking {len(test_mix.ask):,} questions of {test_mix.year}", len(test_mix.ask))
            answers[mix.year, test_mix.year] = answer_questions(model, test_mix.ask, bar)
    return [
        {
            "trained": trained,
            "asked": test_mix.year,
            "n": len(test_mix.ask),
            "rows": rows,
            "metrics": _shown_metrics([q.tags for q in test_mix.ask], answers[trained, test_mix.year]),
            "unknown": _unknown_share(test_mix.ask, known[trained]),
            "fresh": compute_differences(
                [q.tags for q in test_mix.ask], answers[test_mix.year, test_mix.year], answers[trained, test_mix.year]
            ),
        }
        for trained in (mix.year for mix in mixes)
        for test_mix in mixes
        if (trained, test_mix.year) in answers
    ]


def measure_newer_questions(
    base: Sequence[Question], newer: Mix, parameters: TrainingParameters, progress: Progress
) -> list[dict[str, Any]]:
    """Train on the base and on more and more of newer questions, and ask the newest.

    Returns rows of ``{added, weight, n, base, metrics, unknown, better}``: ``better`` than the base alone.
    """
    posted = [question.tags for question in newer.ask]
    amounts = [n for n in AMOUNTS if n < len(newer.learn)] + [len(newer.learn)]
    weighed = amounts[-2] or amounts[-1]
    alone: Sequence[Answer] = ()
    rows = []
    for added, weight in [(n, 1.0) for n in amounts] + [(weighed, weight) for weight in WEIGHTS[1:]]:
        progress.log(f"{len(base):,} old questions and {added:,} of {newer.year}, each {weight:g} times")
        more = [replace(question, weight=weight) for question in newer.learn[:added]]
        model = _train([*base, *more], parameters, progress)
        bar = progress.open_bar(f"asking {len(newer.ask):,} questions of {newer.year}", len(newer.ask))
        answers = answer_questions(model, newer.ask, bar)
        alone = alone or answers
        rows.append(
            {
                "added": added,
                "weight": weight,
                "n": len(newer.ask),
                "base": len(base),
                "metrics": _shown_metrics(posted, answers),
                "unknown": _unknown_share(newer.ask, model.names),
                "better": compute_differences(posted, answers, alone),
            }
        )
    return rows


def select_base(questions: Sequence[Question], until: int, without: Sequence[Mix], most: int) -> list[Question]:
    """Return at most so many questions, bodies and all, of the years until one; none that is only asked."""
    old = [q for q in questions if q.year is not None and q.year <= until and q.split != "dev"]
    is_tested = np.isin(
        title_keys(q.title for q in old), title_keys(question.title for mix in without for question in mix.ask)
    )
    return sorted((q for q, is_asked in zip(old, is_tested, strict=True) if not is_asked), key=_shuffle_key)[:most]


def format_tables(result: Mapping[str, Any]) -> str:
    """Lay the backtest out as Markdown."""
    lines = [
        "| trained as of | asked of | n | " + " | ".join(SHOWN) + " | unknown tags | fresh model is better, R@5 |",
        "| --- " * (len(SHOWN) + 5) + "|",
    ]
    for row in result["ageing"]:
        gap = row["fresh"]["R@5"]
        better = (
            f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if row["trained"] != row["asked"] else ""
        )
        lines.append(
            f"| {row['trained']} | {row['asked']} | {row['n']:,} | {_format_cells(row)} | {row['unknown']:.1%} "
            f"| {better} |"
        )
    lines += [
        "",
        f"| {result['worth'][0]['base']:,} old questions and newer | each counts | n | "
        + " | ".join(SHOWN)
        + " | unknown tags | better than without, R@5 |",
        "| --- " * (len(SHOWN) + 5) + "|",
    ]
    for row in result["worth"]:
        gap = row["better"]["R@5"]
        better = f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if row["added"] else ""
        lines.append(
            f"| {row['added']:,} | {row['weight']:g} | {row['n']:,} | {_format_cells(row)} | {row['unknown']:.1%} "
            f"| {better} |"
        )
    if "left_out" in result:
        left_out = ", ".join(f"{n:,} of {year}" for year, n in result["left_out"].items())
        lines += ["", f"Questions left out, since a model learns from them: {left_out}."]
    return "\n".join([*lines, ""])


def describe_settings(parameters: TrainingParameters) -> dict[str, Any]:
    """Return what the backtest depends on beside the questions."""
    return to_record(parameters) | {"test_share": TEST_SHARE, "amounts": list(AMOUNTS), "weights": list(WEIGHTS)}


def _format_cells(row: Mapping[str, Any]) -> str:
    return " | ".join(f"{row['metrics'][name]['value']:.3f}" for name in SHOWN)


def _train(questions: Sequence[Question], parameters: TrainingParameters, progress: Progress) -> Classifier:
    """Train a light model, and load what was written."""
    data = DataSource("backtest", "", len(questions), None, None)
    with tempfile.TemporaryDirectory(prefix="tagalong-") as folder:
        train_model(questions, [], data, Path(folder), None, parameters, FeatureLimits(), progress)
        return Classifier.load(Path(folder))


def _mark_tune(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Mark every 20th question to tune on."""
    return tuple(replace(q, split="tune") if i % 20 == 0 else q for i, q in enumerate(questions))


def _shuffle_key(question: Question) -> bytes:
    """Return a question's place in an order that has nothing to do with how it came."""
    return hashlib.sha256(f"backtest {question.title}".encode()).digest()


def _shown_metrics(posted: Sequence[Sequence[str]], answers: Sequence[Answer]) -> dict[str, dict[str, float]]:
    measured = compute_metrics(posted, answers)
    return {name: measured[name] for name in SHOWN}


def _unknown_share(questions: Sequence[Question], known: frozenset[str]) -> float:
    """Return the share of the posted tags that a vocabulary lacks."""
    posted = [tag for question in questions for tag in main_names(question.tags)]
    return sum(tag not in known for tag in posted) / len(posted)
