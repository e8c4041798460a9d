"""Questions with their tags, from wherever they come: every source gives the same ``Question``."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

TUNE_SHARE: Final = 0.05
"""Share of the train rows that is kept apart for every choice: calibration, thresholds, parameters."""
RANKS: Final = 5
"""Best tags of an answer by which a model is judged: a question on Stack Overflow has up to five."""
_BETWEEN_WORDS: Final = re.compile(r"[^\w#+]+")


class QuestionsError(Exception):
    """The questions cannot be read or used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Question:
    """A posted question. ``title`` and ``body`` are ready for the model (see ``model.serving.text.prepare_text``).

    With ``tags_complete`` false, the source kept only some frequent tags: a missing tag is unknown.
    ``split`` is ``train``, ``tune`` or ``dev``. In training it counts ``weight`` times.
    """

    title: str
    body: str
    tags: tuple[str, ...]
    tags_complete: bool
    year: int | None
    question_id: int | None
    source: str
    split: str
    weight: float = 1.0


def assign_split(title: str, published: str) -> str:
    """Return a row's split: ``dev`` as published, and 5 % of the rest, by hash of the title, as ``tune``."""
    if published == "dev":
        return "dev"
    digest = hashlib.sha256(title.encode("utf-8", "replace")).digest()
    return "tune" if int.from_bytes(digest[:8], "big") < TUNE_SHARE * 2**64 else "train"


def text_key(text: str) -> int:
    """Return 64 bits of a text's hash that do not change with case, spaces and punctuation; C, C# and C++ differ."""
    words = _BETWEEN_WORDS.sub(" ", text.casefold()).strip()
    # Not the hash of the title alone: that one chooses the tune part, and the two choices are to be independent.
    return int.from_bytes(hashlib.sha256(b"same" + words.encode("utf-8", "replace")).digest()[:8], "big")


def drop_repeated_titles(questions: Iterable[Question]) -> list[Question]:
    """Drop questions whose title, without case and outer spaces, was there before.

    A title of the dev part wins over the same title elsewhere, so that nothing reported was trained on.
    """
    by_title: dict[str, Question] = {}
    for question in questions:
        key = question.title.casefold().strip()
        known = by_title.get(key)
        if known is None or (question.split == "dev" and known.split != "dev"):
            by_title[key] = question
    return list(by_title.values())
