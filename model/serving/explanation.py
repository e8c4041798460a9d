"""Why this tag: the words of a draft that weigh most for it.

A word weighs what the tag's logit would lose without it (occlusion, after Zeiler and Fergus 2014, without a second
run). In the sparse part this is exact: the features of the word, of its parts and of runs with it would go, and the
others of the field would weigh more, since a field's values are normalised to length 1. In the encoder's part it is
exact but for what a token's embedding knows of its neighbours: the word's tokens would go, and the mean would be over
the others.
"""

import re
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.serving.arrays import Floats, Ints
from model.serving.text import WORD, spell_words
from model.serving.tokens import Tokens

MAX_WORDS: Final = 3
MIN_SHARE: Final = 0.2
"""Share of the first word's loss that another word needs: below it, a word is noise."""

_MIN_SQUARE: Final = 1e-5
"""Square of a field's length below which only rounding errors are left in it."""
_NAMES: Final = 2
"""The part of tag names found in the text, after the title (0) and the body (1)."""
_word: Final = re.compile(WORD)


class DraftWords:
    """The words of a draft, each once whatever its case, and the features that have them.

    ``spelled``: the words as the draft spells them first. ``words`` and ``features``, int64 [pairs]: the number of a
    word, and the number of a feature that has it.
    """

    def __init__(self, title: str, body: str, features: NDArray[Any], in_title: int) -> None:
        """Find the words of the active features: their words joined by spaces, the first ``in_title`` of the title."""
        self._title, self._body = title, body
        self._number: dict[str, int] = {}
        self.spelled: list[str] = []
        pairs: list[int] = []  # word times n plus feature
        names = features.tolist()
        n = max(len(names), 1)
        for text, span in ((title, slice(0, in_title)), (body, slice(in_title, len(names)))):
            features_with: dict[str, list[int]] = {}
            for i, feature in enumerate(names[span], start=span.start):
                for name in feature.split(" "):
                    features_with.setdefault(name, []).append(i)
            spelled, own, parts = spell_words(text)
            named = chain(zip(spelled, own, own, strict=True), ((spelled[i], own[i], part) for i, part in parts))
            for word, lower, name in named:
                if numbers := features_with.get(name):
                    first = self._number_of(word, lower) * n
                    for i in numbers:
                        pairs.append(first + i)
        # Two spellings of one word would count its features twice.
        coded = np.sort(np.array(pairs, np.int64))
        coded = coded[np.diff(coded, prepend=-1) > 0]
        self.words, self.features = coded // n, coded % n

    def number_tokens(self, tokens: Tokens) -> Ints:
        """Return the number of each token's word, or -1, int64 [tokens]; words that no feature has are added."""
        numbers = np.full(len(tokens.ids), -1, np.int64)
        for field, text in enumerate((self._title, self._body)):
            inside = np.flatnonzero(tokens.field == field)
            if not len(inside):
                continue
            begins = tokens.spans[inside, 0]
            # A word may reach past the last token that is read.
            words = list(_word.finditer(text, 0, int(tokens.spans[inside[-1], 1]) + 100))
            if not words:
                continue
            starts = np.array([match.start() for match in words])
            ends = np.array([match.end() for match in words])
            number = np.array([self._number_of(match[0], match[0].lower()) for match in words])
            at = np.maximum(np.searchsorted(starts, begins, side="right") - 1, 0)
            within = (begins >= starts[at]) & (begins < ends[at])
            numbers[inside[within]] = number[at[within]]
        return numbers

    def _number_of(self, word: str, lower: str) -> int:
        number = self._number.setdefault(lower, len(self.spelled))
        if number == len(self.spelled):
            self.spelled.append(word)
        return number


def pick_words(words: DraftWords, losses: NDArray[np.float64]) -> list[tuple[str, ...]]:
    """Return the words with the largest losses for each tag, largest first: at most ``MAX_WORDS`` that count.

    Args:
        losses: what each tag's logit would lose without each word, [tags, words].
    """
    # A few maxima are found faster than all are sorted.
    left, tags = losses.copy(), np.arange(len(losses))
    best = np.empty((len(losses), min(MAX_WORDS, losses.shape[1])), np.int64)
    for rank in range(best.shape[1]):
        best[:, rank] = left.argmax(axis=1)
        left[tags, best[:, rank]] = -np.inf
    picked = []
    for numbers, lost in zip(best.tolist(), losses[tags[:, None], best].tolist(), strict=True):
        least = MIN_SHARE * lost[0] if lost else 0.0
        counting = (i for i, loss in zip(numbers, lost, strict=True) if loss > 0 and loss >= least)
        picked.append(tuple(words.spelled[i] for i in counting))
    return picked


def sparse_losses(words: DraftWords, values: Floats, evidence: Floats, in_title: int) -> NDArray[np.float64]:
    """Return what each tag's logit would lose without each word in the sparse part: [tags, words].

    Args:
        values: of each active feature in the draft, [n]; the squares of each field add up to 1. A tag name found in
            the text has 0: it counts as it is, outside the field's length.
        evidence: what each feature adds to each tag's logit, [tags, n].
    """
    n = len(words.spelled)
    part = np.where(values == 0, _NAMES, np.arange(len(values)) >= in_title)
    place = part[words.features] * n + words.words
    square_left = 1 - np.bincount(place, values[words.features] ** 2, 3 * n).reshape(3, n)[:_NAMES]
    rescale = 1 / np.sqrt(np.where(square_left > _MIN_SQUARE, square_left, np.inf))
    whole = _sum_by_place(evidence, part, 3)[:, :_NAMES, None]
    gone = _sum_by_place(evidence[:, words.features], place, 3 * n).reshape(len(evidence), 3, n)
    lost = whole - (whole - gone[:, :_NAMES]) * rescale
    return np.asarray(lost.sum(axis=1) + gone[:, _NAMES])


def _sum_by_place(values: Floats, places: Ints, n: int) -> NDArray[np.float64]:
    """Return the sums of each tag's values by their places: [tags, m] and [m] to [tags, n].

    Not a matrix product, for which BLAS would start threads for each answer.
    """
    tags = len(values)
    flat = np.arange(tags)[:, None] * n + places
    return np.asarray(np.bincount(flat.ravel(), values.ravel(), tags * n).reshape(tags, n), np.float64)


def embedding_losses(word_of: Ints, words: int, evidence: Floats) -> NDArray[np.float64]:
    """Return what each tag's logit would lose without each word in the encoder's part: [tags, words].

    Args:
        word_of: the word of each token, -1 for none, [tokens].
        evidence: each token's share, of which the part is the mean, [tags, tokens].
    """
    has_word = word_of >= 0
    counts = np.bincount(word_of[has_word], minlength=words)
    gone = _sum_by_place(evidence[:, has_word], word_of[has_word], words)
    return np.asarray((gone - counts * evidence.mean(axis=1)[:, None]) / (len(word_of) - counts))
