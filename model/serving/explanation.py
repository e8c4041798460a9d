"""Why this tag: the words of a draft that weigh most for it.

A word weighs what the tag's logit would lose without it. In the sparse part this is exact: the features of the word, of
its parts and of runs with it would go, and the others of the field would weigh more, since a field's values are brought
to length 1. In the encoder's part it is exact but for what a token's state knows of its neighbours: the word's tokens
would go, and the mean would be over the others.
"""

import re
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.serving.text import WORD, names_of_words
from model.serving.tokens import Tokens

BECAUSE_WORDS: Final = 3
LEAST_SHARE: Final = 0.2
"""Share of the first word's loss that another word needs: below it, a word is no reason but noise."""

_NOTHING_LEFT: Final = 1e-5
"""Square of a field's length below which nothing is left in it but rounding."""
_NAMES: Final = 2
"""Stands for the names found, after the title and the body, as what a feature is part of."""
_word: Final = re.compile(WORD)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Words:
    """The words of a draft, each spelling in lower case once, with what stands for it in the model.

    ``spelled``: the words as the draft spells them first. ``words`` and ``features``: pairs of a word and a feature
    that has it.
    """

    def __init__(self, title: str, body: str, features: NDArray[Any], in_title: int) -> None:
        """Find the words of the active features (their words joined by a space, the first ``in_title`` the title's)."""
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
            spelled, own, parts = names_of_words(text)
            named = chain(zip(spelled, own, own, strict=True), ((spelled[i], own[i], part) for i, part in parts))
            for word, lower, name in named:
                if found := features_with.get(name):
                    first = self._place(word, lower) * n
                    for i in found:
                        pairs.append(first + i)
        # Two spellings of one word would count its features twice.
        coded = np.sort(np.array(pairs, np.int64))
        coded = coded[np.diff(coded, prepend=-1) > 0]
        self.words, self.features = coded // n, coded % n

    def of_tokens(self, tokens: Tokens) -> Ints:
        """Give the word of each token, or -1; words that no feature has are added."""
        found = np.full(len(tokens.ids), -1, np.int64)
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
            places = np.array([self._place(match[0], match[0].lower()) for match in words])
            at = np.maximum(np.searchsorted(starts, begins, side="right") - 1, 0)
            within = (begins >= starts[at]) & (begins < ends[at])
            found[inside[within]] = places[at[within]]
        return found

    def _place(self, word: str, lower: str) -> int:
        place = self._number.setdefault(lower, len(self.spelled))
        if place == len(self.spelled):
            self.spelled.append(word)
        return place


def because(words: Words, losses: NDArray[np.float64]) -> list[tuple[str, ...]]:
    """Give the words with the largest losses for each tag, largest first: at most ``BECAUSE_WORDS`` that count.

    Args:
        losses: what each tag's logit would lose without each word, [tags, words].
    """
    # A maximum each is found sooner than all are sorted.
    left, tags = losses.copy(), np.arange(len(losses))
    best = np.empty((len(losses), min(BECAUSE_WORDS, losses.shape[1])), np.int64)
    for rank in range(best.shape[1]):
        best[:, rank] = left.argmax(axis=1)
        left[tags, best[:, rank]] = -np.inf
    reasons = []
    for words_of, loss in zip(best.tolist(), losses[tags[:, None], best].tolist(), strict=True):
        least = LEAST_SHARE * loss[0] if loss else 0.0
        reasons.append(
            tuple(words.spelled[i] for i, lost in zip(words_of, loss, strict=True) if lost > 0 and lost >= least)
        )
    return reasons


def sparse_losses(words: Words, values: Floats, evidence: Floats, in_title: int) -> NDArray[np.float64]:
    """Give what each tag's logit would lose without each word in the sparse part: [tags, words].

    Args:
        values: of each active feature in the draft, [n]; the squares of each field add up to 1. A name found has 0: it
            is no part of that, and counts as it is.
        evidence: what each feature adds to each tag's logit, [tags, n].
    """
    n = len(words.spelled)
    part = np.where(values == 0, _NAMES, np.arange(len(values)) >= in_title)
    place = part[words.features] * n + words.words
    left = 1 - np.bincount(place, values[words.features] ** 2, 3 * n).reshape(3, n)[:_NAMES]
    shrink = 1 / np.sqrt(np.where(left > _NOTHING_LEFT, left, np.inf))
    whole = _added(evidence, part, 3)[:, :_NAMES, None]
    gone = _added(evidence[:, words.features], place, 3 * n).reshape(len(evidence), 3, n)
    lost = whole - (whole - gone[:, :_NAMES]) * shrink
    return np.asarray(lost.sum(axis=1) + gone[:, _NAMES])


def _added(of_tags: Floats, places: Ints, n: int) -> NDArray[np.float64]:
    """Add each tag's numbers up by their places: [tags, m] and [m] to [tags, n].

    No matrix product: the library behind it would start threads for each answer.
    """
    tags = len(of_tags)
    every = np.arange(tags)[:, None] * n + places
    return np.asarray(np.bincount(every.ravel(), of_tags.ravel(), tags * n).reshape(tags, n), np.float64)


def state_losses(word_of: Ints, words: int, evidence: Floats) -> NDArray[np.float64]:
    """Give what each tag's logit would lose without each word in the encoder's part: [tags, words].

    Args:
        word_of: the word of each token, -1 for none, [tokens].
        evidence: each token's share, of which the part is the mean, [tags, tokens].
    """
    of_word = word_of >= 0
    counts = np.bincount(word_of[of_word], minlength=words)
    gone = _added(evidence[:, of_word], word_of[of_word], words)
    return np.asarray((gone - counts * evidence.mean(axis=1)[:, None]) / (len(word_of) - counts))
