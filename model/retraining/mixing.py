"""Base data and posted questions as one file to train on, the posted ones with weights.

A question that is posted counts ``feedback`` times, half as much every ``half_life`` months before the newest, and up
to ``missed`` times more by the share of its tags that were not offered. Its tags are the site's. Whether somebody
accepted a tag does not matter: a model that learned from its own suggestions would learn to agree with itself.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from model.questions import Question, QuestionsError
from model.questions.feedback import PostedQuestion
from model.runs.steps import Step
from model.serving.synonyms import main_names

STEP: Final = Step(
    "mix",
    "put posted questions beside the base data",
    ("questions.parquet", "posted.parquet", "feedback.jsonl"),
    ("mixed.parquet",),
    "model.retraining.mixing",
)
POSTED: Final = "posted on "
"""How the source of a posted question begins, before the site's name."""
DEV_SHARE: Final = 0.2
"""Share of the posted questions that is kept apart to measure on, by hash of the number."""


@dataclass(frozen=True, slots=True)
class Weighting:
    """How many times a posted question counts beside one of the base data: see the module."""

    feedback: float = 2.0
    half_life: float = 24.0
    missed: float = 1.0

    def weight(self, tags: Sequence[str], posted_questions: PostedQuestion, newest: int) -> float:
        """Return a question's weight; ``newest`` is the number of the newest month, see ``month_number``."""
        age = newest - month_number(posted_questions.month) if posted_questions.month else 0
        posted = main_names(tags)
        missed = len(posted - main_names(posted_questions.offered_tags)) / len(posted)
        return float(self.feedback * 0.5 ** (age / self.half_life) * (1 + self.missed * missed))


@dataclass(frozen=True, slots=True)
class MixCounts:
    """What became of the rows: of the base kept and replaced by a posted one, posted to learn from and kept apart.

    ``of_dev`` are the posted questions left out because the base data keeps them apart to measure on.
    """

    base: int
    replaced: int
    learned: int
    kept_apart: int
    of_dev: int


def month_number(month: str) -> int:
    """Count months: ``2026-11`` is one more than ``2026-10``."""
    year, number = month.split("-")
    return 12 * int(year) + int(number)


def is_posted(question: Question) -> bool:
    """Return whether a question of a mixed file came from feedback."""
    return question.source.startswith(POSTED)


def write_mix(
    base: Path, posted: Sequence[Path], posted_questions: Sequence[PostedQuestion], weighing: Weighting, out: Path
) -> MixCounts:
    """Write base and posted questions into one file.

    Of a question that is in both, the posted one stays, since its tags are newer; but not one that the base data keeps
    apart to measure on. Of a question that several files have, the last stays.

    Args:
        posted: files of prepared questions, fetched from the sites.

    Raises:
        QuestionsError: a file lacks a column, or no posted question is left.
        OSError: a file cannot be read or written.
    """
    try:
        ours, theirs = pl.read_parquet(base), pl.concat([pl.read_parquet(path) for path in posted], how="vertical")
        mixed, counts = mix_rows(ours, theirs, posted_questions, weighing)
    except pl.exceptions.PolarsError as error:
        raise QuestionsError(f"{base} cannot be mixed with posted questions: {str(error).splitlines()[0]}") from error
    if not counts.learned:
        raise QuestionsError("No posted question is left to learn from: all are kept apart to measure on.")
    temporary = out.with_name(f".{out.name}.mixed")
    mixed.write_parquet(temporary)
    temporary.replace(out)
    return counts


def mix_rows(
    base: pl.DataFrame, posted: pl.DataFrame, posted_questions: Sequence[PostedQuestion], weighing: Weighting
) -> tuple[pl.DataFrame, MixCounts]:
    """Return the rows of both, and what became of them."""
    defaults = {"split": pl.lit("train"), "weight": pl.lit(1.0), "question_id": pl.lit(None, pl.Int64)}
    base = base.with_columns(expr.alias(name) for name, expr in defaults.items() if name not in base.columns)
    posted = posted.unique(["source", "question_id"], keep="last", maintain_order=True)
    of_dev = _is_among(posted, base.filter(pl.col("split") == "dev"))
    remaining = posted.filter(~of_dev)
    replaced = _is_among(base, remaining)
    by_number = {
        (posted_question.site, posted_question.question_id): posted_question for posted_question in posted_questions
    }
    newest = max(
        (month_number(posted_question.month) for posted_question in posted_questions if posted_question.month),
        default=0,
    )
    described = [_split_and_weight(row, by_number, weighing, newest) for row in remaining.iter_rows(named=True)]
    remaining = remaining.with_columns(
        pl.Series("source", [POSTED + source for source in remaining["source"]], pl.String),
        pl.Series("split", [split for split, _ in described], pl.String),
        pl.Series("weight", [weight for _, weight in described], pl.Float64),
    )
    apart = int((remaining["split"] == "dev").sum())
    mixed = pl.concat([base.filter(~replaced), remaining], how="diagonal_relaxed")
    counts = (
        base.height - int(replaced.sum()),
        int(replaced.sum()),
        remaining.height - apart,
        apart,
        int(of_dev.sum()),
    )
    return mixed, MixCounts(*counts)


def _split_and_weight(
    row: Mapping[str, Any], posted_questions: Mapping[tuple[str, int], PostedQuestion], weighing: Weighting, newest: int
) -> tuple[str, float]:
    """Return split and weight of a posted question."""
    number = (row["source"], row["question_id"])
    digest = hashlib.sha256(f"kept apart {number[0]} {number[1]}".encode()).digest()
    split = "dev" if int.from_bytes(digest[:8], "big") < DEV_SHARE * 2**64 else "train"
    return split, weighing.weight(row["tags"], posted_questions[number], newest)


def _is_among(rows: pl.DataFrame, others: pl.DataFrame) -> pl.Series:
    """Return which rows are among the others, by number or title."""
    title = pl.col("title").str.strip_chars().str.to_lowercase()
    titles, numbers = others.select(title).to_series(), others["question_id"].drop_nulls()
    by_number = pl.col("question_id").is_in(numbers.implode()).fill_null(False)
    return rows.select(title.is_in(titles.implode()).fill_null(False) | by_number).to_series()
