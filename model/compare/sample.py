"""What a comparison learns from and is measured on: its settings, and the questions that every method sees."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from model.evaluation.unseen import exclude_seen
from model.questions import Question, QuestionsError
from model.training.train import choose_tags
from model.training.trained_titles import TrainedTitles


@dataclass(frozen=True, slots=True)
class Settings:
    """How large the comparison is: questions of each part, tags that all learn, least uses of any other tag.

    ``search`` is how many hyperparameters are drawn for each combination, and tried on tune; 0 takes the defaults.
    """

    train_rows: int = 30_000
    tune_rows: int = 3_000
    dev_rows: int = 4_000
    tags: int = 100
    least_uses: int = 15
    search: int = 0
    seed: int = 1
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Split:
    """The questions that all models see; all have complete tags."""

    train: list[Question]
    tune: list[Question]
    dev: list[Question]
    left_out: Mapping[str, Any]
    """Which questions of dev were left out, as ``Unseen.described`` has it."""
    notes: Sequence[str]
    """The same in words."""


def draw_split(
    questions: Sequence[Question], settings: Settings, trained: Mapping[str, TrainedTitles | None] = {}
) -> Split:
    """Draw the questions of each part, with complete tags, by the seed.

    Args:
        trained: what the models were trained on that are measured beside: none of it is in tune or dev.

    Raises:
        QuestionsError: a part has no question or too few are left, or the questions have fewer than two tags.
    """
    random = np.random.default_rng(settings.seed)
    # Every method learns from the train part, which may have a question of dev in another spelling.
    trained = {**trained, "the train part": TrainedTitles.of(questions)}
    parts = {}
    sizes = {"train": settings.train_rows, "tune": settings.tune_rows, "dev": settings.dev_rows}
    for name, size in sizes.items():
        complete = [question for question in questions if question.split == name and question.tags_complete]
        if not complete:
            raise QuestionsError(f"There are no {name} questions with complete tags. Give more questions.")
        if name != "train":
            unseen = exclude_seen(complete, trained, for_choices=name == "tune")
            unseen.require_enough()
            complete = unseen.questions
        chosen = np.sort(random.choice(len(complete), min(size, len(complete)), replace=False))
        parts[name] = [complete[i] for i in chosen.tolist()]
    drawn = Split(**parts, left_out=unseen.described(), notes=unseen.sentences())
    if len(choose_tags(drawn.train, 1)) < 2:
        raise QuestionsError("There are fewer than two tags to learn. Give more questions.")
    return drawn
