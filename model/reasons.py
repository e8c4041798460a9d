"""Why this tag: the words of a draft that weigh most for it.

A word weighs what the tag's logit would lose without it. In the sparse part this is exact: the features of the word, of
its parts and of runs with it would go, and the others of the field would weigh more, since a field's values are brought
to length 1. In the encoder's part it is exact but for what a token's state knows of its neighbours: the word's tokens
would go, and the mean would be over the others.
"""

import re
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from model.encoder.tokens import Tokens
from model.text import WORD, names_of_words

BECAUSE_WORDS: Final = 3
LEAST_SHARE: Final = 0.2
"""Share of the first word's loss that another word needs: below it, a word is no reason but noise."""

_NOTHING_LEFT: Final = 1e-5
"""Square of a field's length below which nothing is left in it but rounding."""
_word: Final = re.compile(WORD)

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


class Words:
    """The words of a draft, each spelling in lower case once, with what stands for it in the model.

    ``spelled``: the words as the draft spells them first. ``rows`` and ``features``: pairs of a word's row and a
    feature that has it; a word's row in the body is ``len(spelled)`` after its row in the title.
    """

    def __init__(self, title: str, body: str, features: NDArray[Any], in_title: int) -> None:
        """Find the words of the active features (their words joined by a space, the first ``in_title`` the title's)."""
        self._title, self._body = title, body
        self._number: dict[str, int] = {}
        self.spelled: list[str] = []
        feature_of: list[int] = []
        word_of: list[int] = []
        names = features.tolist()
        for text, span in ((title, slice(0, in_title)), (body, slice(in_title, len(names)))):
            features_with: dict[str, list[int]] = {}
            for i, feature in enumerate(names[span], start=span.start):
                for name in feature.split(" "):
                    features_with.setdefault(name, []).append(i)
            words, names_of = names_of_words(text)
            for i, name in names_of:
                found = features_with.get(name)
                if found:
                    feature_of += found
                    word_of += [self._place(words[i])] * len(found)
        # Two spellings of one word would count its features twice.
        pairs = np.unique(np.array(word_of, np.int64) * len(names) + np.array(feature_of, np.int64))
        word_at, self.features = pairs // max(len(names), 1), pairs % max(len(names), 1)
        self._word_at, self._in_title = word_at, in_title

    @property
    def rows(self) -> Ints:
        """Give the row of each pair: a word in the title and the same word in the body lie apart."""
        return np.asarray(self._word_at + len(self.spelled) * (self.features >= self._in_title), np.int64)

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
            places = np.array([self._place(match[0]) for match in words])
            at = np.maximum(np.searchsorted(starts, begins, side="right") - 1, 0)
            within = (begins >= starts[at]) & (begins < ends[at])
            found[inside[within]] = places[at[within]]
        return found

    def _place(self, word: str) -> int:
        place = self._number.setdefault(word.lower(), len(self._number))
        if place == len(self.spelled):
            self.spelled.append(word)
        return place


def because(words: Words, losses: NDArray[np.float64]) -> list[tuple[str, ...]]:
    """Give the words with the largest losses for each tag, largest first: at most ``BECAUSE_WORDS`` that count.

    Args:
        losses: what each tag's logit would lose without each word, [words, tags].
    """
    best = np.argsort(-losses, axis=0, kind="stable")[:BECAUSE_WORDS]
    reasons = []
    for words_of, loss in zip(best.T.tolist(), np.take_along_axis(losses, best, axis=0).T.tolist(), strict=True):
        least = LEAST_SHARE * loss[0] if loss else 0.0
        reasons.append(
            tuple(words.spelled[i] for i, lost in zip(words_of, loss, strict=True) if lost > 0 and lost >= least)
        )
    return reasons


def sparse_losses(words: Words, values: Floats, evidence: Floats, in_title: int) -> NDArray[np.float64]:
    """Give what each tag's logit would lose without each word in the sparse part: [words, tags].

    Args:
        values: of each active feature in the draft, [n]; the squares of each field add up to 1. A name found has 0: it
            is no part of that, and counts as it is.
        evidence: what each feature adds to each tag's logit, [n, tags].
    """
    n, rows = len(words.spelled), words.rows
    left = 1 - np.bincount(rows, values[words.features] ** 2, 2 * n).reshape(2, n)
    alone = left <= _NOTHING_LEFT
    shrink = np.where(alone, 0, 1 / np.sqrt(np.where(alone, 1, left)))
    is_name = values == 0
    of_tags = np.ascontiguousarray(evidence.T)
    weighed = np.where(is_name, 0, of_tags)
    whole = np.stack([weighed[:, :in_title].sum(axis=1), weighed[:, in_title:].sum(axis=1)], axis=1)[:, :, None]
    losses = (whole - (whole - _by_word(weighed, words, rows)) * shrink).sum(axis=1)
    if is_name.any():
        losses += _by_word(np.where(is_name, of_tags, 0), words, rows).sum(axis=1)
    return np.asarray(losses.T)


def _by_word(of_features: Floats, words: Words, rows: Ints) -> NDArray[np.float64]:
    """Add what features have up by word: [tags, features] to [tags, fields, words].

    No matrix product: the library behind it would start threads for each answer.
    """
    tags, n = len(of_features), len(words.spelled)
    places = np.arange(tags)[:, None] * (2 * n) + rows
    added = np.bincount(places.ravel(), of_features[:, words.features].ravel(), tags * 2 * n)
    return np.asarray(added.reshape(tags, 2, n), np.float64)


def state_losses(word_of: Ints, words: int, evidence: Floats) -> NDArray[np.float64]:
    """Give what each tag's logit would lose without each word in the encoder's part: [words, tags].

    Args:
        word_of: the word of each token, -1 for none, [tokens].
        evidence: each token's share, of which the part is the mean, [tokens, tags].
    """
    tokens = len(word_of)
    counts = np.bincount(word_of[word_of >= 0], minlength=words)
    losses = np.empty((words, evidence.shape[1]))
    for tag, column in enumerate(evidence.T):
        gone = np.bincount(word_of[word_of >= 0], column[word_of >= 0], words)
        losses[:, tag] = (gone - counts * column.mean()) / (tokens - counts)
    return losses
