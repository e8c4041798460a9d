"""What a model answers to questions, and what the most frequent tags would answer: the baseline."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model.questions import RANKS, Question
from model.serving.classifier import Classifier


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model gives for one question: its best ``RANKS`` tags with scores, and how many are confident."""

    tags: tuple[str, ...]
    scores: tuple[float, ...]
    confident: int


def answer_questions(
    classifier: Classifier, questions: Sequence[Question], after_each: Callable[[], None] = lambda: None
) -> list[Answer]:
    """Ask the classifier for every question, as a service would: one at a time, through the released graph."""
    answers = []
    for question in questions:
        items = classifier.suggest(question.title, question.body, body_format="text", limit=RANKS)
        answers.append(
            Answer(
                tuple(item.tag for item in items),
                tuple(item.score for item in items),
                sum(item.confident for item in items),
            )
        )
        after_each()
    return answers


def answer_most_frequent(questions: Sequence[Question], share_of: Counter[str]) -> list[Answer]:
    """Return the baseline: the commonest tags of the training data for every question, all of them shown."""
    total = max(sum(share_of.values()), 1)
    best = share_of.most_common(RANKS)
    answer = Answer(tuple(tag for tag, _ in best), tuple(n / total for _, n in best), len(best))
    return [answer] * len(questions)


def count_tags(questions: Sequence[Question]) -> Counter[str]:
    """Count the uses of every tag."""
    return Counter(tag for question in questions for tag in question.tags)


def answer_baseline(trained_on: Sequence[Question], questions: Sequence[Question]) -> list[Answer]:
    """Return the most-frequent-tags baseline, from the training questions with complete tags."""
    return answer_most_frequent(questions, count_tags([question for question in trained_on if question.tags_complete]))
