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

from model.evaluation.metrics import Answer, answers, differences, metrics
from model.evaluation.unseen import unseen
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


def mixes(questions: Sequence[Question], sources: Mapping[int, str]) -> list[Mix]:
    """Take the titles of some sources apart, oldest first.

    Args:
        sources: the source of each year's mix.

    Raises:
        QuestionsError: a source has no questions with complete tags.
    """
    found = []
    for year, source in sorted(sources.items()):
        rows = [replace(q, body="", split="train") for q in questions if q.source == source and q.tags_complete]
        rows.sort(key=_place)
        asked = round(TEST_SHARE * len(rows))
        if not asked:
            raise QuestionsError(f"The file has no questions with complete tags of the source {source}.")
        found.append(Mix(year, _tuned(rows[asked:]), tuple(rows[:asked])))
    learned = TrainedTitles.of(question for mix in found for question in mix.learn)
    return [_without(mix, learned) for mix in found]


def _without(mix: Mix, learned: TrainedTitles) -> Mix:
    """Leave out of what is asked what a model of any mix learns from.

    Raises:
        QuestionsError: too few are left.
    """
    left = unseen(mix.ask, {"models of the mixes": learned})
    left.require_enough()
    return replace(mix, ask=tuple(left.questions), left_out=left.left_out)


def ageing(of: Sequence[Mix], parameters: TrainingParameters, progress: Progress) -> list[dict[str, Any]]:
    """Train a model as of each year, all on as many questions, and ask each its own and all newer years' questions.

    Returns rows of ``{trained, asked, n, rows, metrics, unknown, fresh}``: ``unknown`` is the share of the posted tags
    outside the vocabulary; ``fresh`` by how much the model as of the asked year is better.
    """
    rows = len(of[0].learn)
    given: dict[tuple[int, int], Sequence[Answer]] = {}
    known: dict[int, frozenset[str]] = {}
    for i, mix in enumerate(of):
        newest_first = [question for each in reversed(of[: i + 1]) for question in each.learn]
        progress.log(f"as of {mix.year}: {rows:,} questions")
        model = _trained(newest_first[:rows], parameters, progress)
        known[mix.year] = model.names
        for asked in of[i:]:
            bar = progress.open_bar(f"asking {len(asked.ask):,} questions of {asked.year}", len(asked.ask))
            given[mix.year, asked.year] = answers(model, asked.ask, bar)
    return [
        {
            "trained": trained,
            "asked": asked.year,
            "n": len(asked.ask),
            "rows": rows,
            "metrics": _shown([q.tags for q in asked.ask], given[trained, asked.year]),
            "unknown": _unknown(asked.ask, known[trained]),
            "fresh": differences(
                [q.tags for q in asked.ask], given[asked.year, asked.year], given[trained, asked.year]
            ),
        }
        for trained in (mix.year for mix in of)
        for asked in of
        if (trained, asked.year) in given
    ]


def worth(
    base: Sequence[Question], newer: Mix, parameters: TrainingParameters, progress: Progress
) -> list[dict[str, Any]]:
    """Train on the base and on more and more of newer questions, and ask the newest.

    Returns rows of ``{added, weight, n, base, metrics, unknown, better}``: ``better`` than the base alone.
    """
    posted = [question.tags for question in newer.ask]
    amounts = [n for n in AMOUNTS if n < len(newer.learn)] + [len(newer.learn)]
    weighed = amounts[-2] or amounts[-1]
    alone: Sequence[Answer] = ()
    found = []
    for added, weight in [(n, 1.0) for n in amounts] + [(weighed, weight) for weight in WEIGHTS[1:]]:
        progress.log(f"{len(base):,} old questions and {added:,} of {newer.year}, each {weight:g} times")
        more = [replace(question, weight=weight) for question in newer.learn[:added]]
        model = _trained([*base, *more], parameters, progress)
        bar = progress.open_bar(f"asking {len(newer.ask):,} questions of {newer.year}", len(newer.ask))
        given = answers(model, newer.ask, bar)
        alone = alone or given
        found.append(
            {
                "added": added,
                "weight": weight,
                "n": len(newer.ask),
                "base": len(base),
                "metrics": _shown(posted, given),
                "unknown": _unknown(newer.ask, model.names),
                "better": differences(posted, given, alone),
            }
        )
    return found


def base_of(questions: Sequence[Question], until: int, without: Sequence[Mix], most: int) -> list[Question]:
    """Return at most so many questions, bodies and all, of the years until one; none that is only asked."""
    old = [q for q in questions if q.year is not None and q.year <= until and q.split != "dev"]
    asked = np.isin(
        title_keys(q.title for q in old), title_keys(question.title for mix in without for question in mix.ask)
    )
    return sorted((q for q, is_asked in zip(old, asked, strict=True) if not is_asked), key=_place)[:most]


def table(found: Mapping[str, Any]) -> str:
    """Lay the backtest out as Markdown."""
    lines = [
        "| trained as of | asked of | n | " + " | ".join(SHOWN) + " | unknown tags | fresh model is better, R@5 |",
        "| --- " * (len(SHOWN) + 5) + "|",
    ]
    for row in found["ageing"]:
        gap = row["fresh"]["R@5"]
        better = (
            f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if row["trained"] != row["asked"] else ""
        )
        lines.append(
            f"| {row['trained']} | {row['asked']} | {row['n']:,} | {_cells(row)} | {row['unknown']:.1%} | {better} |"
        )
    lines += [
        "",
        f"| {found['worth'][0]['base']:,} old questions and newer | each counts | n | "
        + " | ".join(SHOWN)
        + " | unknown tags | better than without, R@5 |",
        "| --- " * (len(SHOWN) + 5) + "|",
    ]
    for row in found["worth"]:
        gap = row["better"]["R@5"]
        better = f"{gap['value']:+.3f} ({gap['low']:+.3f} to {gap['high']:+.3f})" if row["added"] else ""
        lines.append(
            f"| {row['added']:,} | {row['weight']:g} | {row['n']:,} | {_cells(row)} | {row['unknown']:.1%} | {better} |"
        )
    if "left_out" in found:
        left_out = ", ".join(f"{n:,} of {year}" for year, n in found["left_out"].items())
        lines += ["", f"Questions left out, since a model learns from them: {left_out}."]
    return "\n".join([*lines, ""])


def settings(parameters: TrainingParameters) -> dict[str, Any]:
    """Return what the backtest depends on beside the questions."""
    return to_record(parameters) | {"test_share": TEST_SHARE, "amounts": list(AMOUNTS), "weights": list(WEIGHTS)}


def _cells(row: Mapping[str, Any]) -> str:
    return " | ".join(f"{row['metrics'][name]['value']:.3f}" for name in SHOWN)


def _trained(questions: Sequence[Question], parameters: TrainingParameters, progress: Progress) -> Classifier:
    """Train a light model, and load what was written."""
    data = DataSource("backtest", "", len(questions), None, None)
    with tempfile.TemporaryDirectory(prefix="tagalong-") as folder:
        train_model(questions, [], data, Path(folder), None, parameters, FeatureLimits(), progress)
        return Classifier.load(Path(folder))


def _tuned(questions: Sequence[Question]) -> tuple[Question, ...]:
    """Mark every 20th question to tune on."""
    return tuple(replace(q, split="tune") if i % 20 == 0 else q for i, q in enumerate(questions))


def _place(question: Question) -> bytes:
    """Return a question's place in an order that has nothing to do with how it came."""
    return hashlib.sha256(f"backtest {question.title}".encode()).digest()


def _shown(posted: Sequence[Sequence[str]], given: Sequence[Answer]) -> dict[str, dict[str, float]]:
    measured = metrics(posted, given)
    return {name: measured[name] for name in SHOWN}


def _unknown(questions: Sequence[Question], known: frozenset[str]) -> float:
    """Return the share of the posted tags that a vocabulary lacks."""
    posted = [tag for question in questions for tag in main_names(question.tags)]
    return sum(tag not in known for tag in posted) / len(posted)
