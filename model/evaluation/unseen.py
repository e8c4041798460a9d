"""The questions that are left to judge models by: those that none of them was trained on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.questions import Question, QuestionsError
from model.training.trained_titles import LEARNED, TUNED, TrainedTitles

MIN_QUESTIONS: Final = 50
"""Questions that must be left, or half of those there were, if they were few."""


@dataclass(frozen=True, slots=True)
class UnseenQuestions:
    """What is left of some questions.

    Attributes:
        questions: those that no model was trained on.
        kept: which of all questions these are.
        seen: how many of all each model was trained on, by its name.
        silent: names of models that do not say what they were trained on.
    """

    questions: list[Question]
    kept: NDArray[np.bool_]
    seen: Mapping[str, int]
    silent: Sequence[str]

    @property
    def total(self) -> int:
        """How many questions there were."""
        return len(self.kept)

    @property
    def left_out(self) -> int:
        """How many of them a model was trained on."""
        return self.total - len(self.questions)

    @property
    def needed(self) -> int:
        """How many must be left to judge by."""
        return min(MIN_QUESTIONS, -(-self.total // 2))

    @property
    def enough(self) -> bool:
        """Whether enough are left."""
        return len(self.questions) >= self.needed

    def sentences(self) -> list[str]:
        """Return how many were left out and why, and of which models that is not known."""
        by_model = ", ".join(f"{name} ({n:,})" for name, n in self.seen.items() if n)
        reason = f", seen in training by {by_model}" if by_model else ""
        lines = [f"{self.left_out:,} of {self.total:,} questions left out{reason}"]
        lines += [f"{name} does not say what it was trained on: it may have seen any of them" for name in self.silent]
        return lines

    def described(self) -> dict[str, Any]:
        """Return the figures as JSON holds them."""
        return {"questions": self.left_out, "of": self.total, "seen": dict(self.seen), "unknown": list(self.silent)}

    def require_enough(self) -> None:
        """Raise QuestionsError if too few are left."""
        if not self.enough:
            raise QuestionsError(
                f"Cannot judge: {self.sentences()[0]}. {len(self.questions):,} are left, and {self.needed:,} are "
                "needed. Give questions that the models have not seen, such as newer ones, or fewer models."
            )


def exclude_seen(
    questions: Sequence[Question], trained: Mapping[str, TrainedTitles | None], *, for_choices: bool = False
) -> UnseenQuestions:
    """Leave out the questions that any of the models was trained on.

    Args:
        trained: what each model was trained on, by its name; None where that is not known.
        for_choices: the questions are of the tune part, to make choices on: those that earlier choices were made on
            may stay.
    """
    parts = (LEARNED,) if for_choices else (LEARNED, TUNED)
    seen = {name: titles.seen(questions, parts) for name, titles in trained.items() if titles is not None}
    is_unseen = ~np.any([np.zeros(len(questions), np.bool_), *seen.values()], axis=0)
    unseen = [question for question, keep in zip(questions, is_unseen.tolist(), strict=True) if keep]
    counts = {name: int(known.sum()) for name, known in seen.items()}
    silent = [name for name, titles in trained.items() if titles is None or not titles.knows_learned]
    return UnseenQuestions(unseen, is_unseen, counts, silent)
