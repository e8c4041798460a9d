"""What a comparison learns from and is measured on: its settings, and the questions that every method sees."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from model.questions import Question, QuestionsError
from model.train import choose_tags


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


def split(questions: Sequence[Question], settings: Settings) -> Split:
    """Draw the questions of each part, with complete tags, by the seed.

    Raises:
        QuestionsError: a part has no question, or the questions have fewer than two tags.
    """
    random = np.random.default_rng(settings.seed)
    parts = {}
    sizes = {"train": settings.train_rows, "tune": settings.tune_rows, "dev": settings.dev_rows}
    for name, size in sizes.items():
        whole = [question for question in questions if question.split == name and question.tags_complete]
        if not whole:
            raise QuestionsError(f"There are no {name} questions with complete tags. Give more questions.")
        chosen = np.sort(random.choice(len(whole), min(size, len(whole)), replace=False))
        parts[name] = [whole[i] for i in chosen.tolist()]
    found = Split(**parts)
    if len(choose_tags(found.train, 1)) < 2:
        raise QuestionsError("There are fewer than two tags to learn. Give more questions.")
    return found
