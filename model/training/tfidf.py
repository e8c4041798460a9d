"""Words of titles and bodies as weighted features: TF-IDF, two fields, as the ONNX graph computes it too."""

from array import array
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from scipy import sparse

from model.runs.arrays import Floats, Ints
from model.runs.parameters import stored_as
from model.serving.text import SEPARATOR, split_words

GRAMS: Final = 3
"""Longest run of words of a title that is a feature."""


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The features, in their order: runs of 2 or 3 of a title's words, a title's words, a body's words.

    Parts of words are words here. ``runs`` has its words joined by a space. ``idf`` is float32 [features].
    """

    runs: tuple[str, ...]
    title: tuple[str, ...]
    body: tuple[str, ...]
    idf: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """Every feature by its words."""
        return self.runs + self.title + self.body

    @property
    def title_features(self) -> int:
        """How many features, the first ones, are the title's."""
        return len(self.runs) + len(self.title)

    def __len__(self) -> int:
        return self.title_features + len(self.body)


@dataclass(frozen=True, slots=True)
class FeatureLimits:
    """In how many texts a feature must be, and how many features are kept, by field and length of run."""

    title_min_df: tuple[int, int, int] = stored_as("title_least", (2, 4, 6))
    title_max_features: tuple[int, int, int] = stored_as("title_most", (40_000, 50_000, 15_000))
    body_min_df: int = stored_as("body_least", 5)
    body_max_features: int = stored_as("body_most", 60_000)


class _WordIds:
    """Texts as numbers of words, concatenated: ``ids[starts[i]:starts[i + 1]]`` are text i's, -1 is no word."""

    def __init__(self, texts: Sequence[str], known: Sequence[str] | None = None) -> None:
        numbers: defaultdict[str, int] = defaultdict()
        if known is None:
            numbers.default_factory = numbers.__len__
            # It takes place 0 of ``words``, a number that stands for nothing then.
            numbers[SEPARATOR] = -1
        else:
            numbers.default_factory = lambda: -1
            numbers.update({word: i for i, word in enumerate(known)})
        ids, starts = array("q"), array("q", [0])
        for text in texts:
            if known is None:
                ids.extend([numbers[word] for word in split_words(text)])
            else:
                ids.extend([numbers.get(word, -1) for word in split_words(text)])
            starts.append(len(ids))
        self.ids: Ints = np.frombuffer(ids, np.int64) if len(ids) else np.zeros(0, np.int64)
        self.starts: Ints = np.frombuffer(starts, np.int64)
        self.words: list[str] = list(numbers)

    def rows(self) -> Ints:
        """Return the number of each word's text."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))


def _grams(texts: _WordIds, length: int, base: int) -> tuple[Ints, Ints]:
    """Return (text numbers, keys) of all runs of ``length`` known words; a key is their numbers in base ``base``."""
    rows, ids = texts.rows(), texts.ids
    if len(ids) < length:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    count = len(ids) - length + 1
    keys = np.zeros(count, np.int64)
    whole = rows[:count] == rows[length - 1 :]
    for offset in range(length):
        part = ids[offset : offset + count]
        whole &= part >= 0
        keys = keys * base + part
    return rows[:count][whole], keys[whole]


def _count_pairs(rows: Ints, columns: Ints, shape: tuple[int, int]) -> sparse.csr_matrix:
    """Count (row, column) pairs into a sparse matrix, float32."""
    matrix = sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
    matrix.sum_duplicates()
    return matrix


def _frequent(rows: Ints, keys: Ints, min_df: int, max_features: int) -> Ints:
    """Return the keys, 0 or more, of at least ``min_df`` texts, the ``max_features`` commonest of them, sorted."""
    rows, keys = rows[keys >= 0], keys[keys >= 0]
    if not len(keys):
        return keys
    order = np.lexsort((rows, keys))
    keys, rows = keys[order], rows[order]
    first = np.ones(len(keys), bool)
    first[1:] = (keys[1:] != keys[:-1]) | (rows[1:] != rows[:-1])
    unique, texts = np.unique(keys[first], return_counts=True)
    enough = np.flatnonzero(texts >= min_df)
    commonest = enough[np.argsort(-texts[enough], kind="stable")[:max_features]]
    return np.sort(unique[commonest])


def choose_features(titles: Sequence[str], bodies: Sequence[str], limits: FeatureLimits) -> Vocabulary:
    """Return the features that enough titles and bodies have, with smoothed idf = ln((1+n)/(1+df)) + 1."""
    title_ids = _WordIds(titles)
    known = _frequent(title_ids.rows(), title_ids.ids, limits.title_min_df[0], limits.title_max_features[0])
    # One place more, the last, for -1.
    renumbered = np.full(len(title_ids.words) + 1, -1, np.int64)
    renumbered[known] = np.arange(len(known))
    title_ids.ids = renumbered[title_ids.ids]
    known_words = tuple(title_ids.words[i] for i in known)
    runs = []
    for length in range(2, GRAMS + 1):
        rows, keys = _grams(title_ids, length, len(known_words))
        for key in _frequent(
            rows, keys, limits.title_min_df[length - 1], limits.title_max_features[length - 1]
        ).tolist():
            digits = [key // len(known_words) ** place % len(known_words) for place in reversed(range(length))]
            runs.append(" ".join(known_words[digit] for digit in digits))
    body_ids = _WordIds(bodies)
    body = _frequent(body_ids.rows(), body_ids.ids, limits.body_min_df, limits.body_max_features)
    body_words = tuple(body_ids.words[i] for i in body)
    vocabulary = Vocabulary(tuple(runs), known_words, body_words, np.ones(0, np.float32))
    used = np.bincount(count_features(vocabulary, titles, bodies).indices, minlength=len(vocabulary))
    texts = np.full(len(vocabulary), sum(map(bool, titles)))
    texts[vocabulary.title_features :] = sum(map(bool, bodies))
    idf = np.log((1 + texts) / (1 + used)) + 1
    return replace(vocabulary, idf=idf.astype(np.float32))


def count_features(vocabulary: Vocabulary, titles: Sequence[str], bodies: Sequence[str]) -> sparse.csr_matrix:
    """Return the counts of features in texts: float32 [texts, features], columns sorted."""
    number = {word: i for i, word in enumerate(vocabulary.title)}
    title_ids = _WordIds(titles, vocabulary.title)
    base = max(len(number), 1)
    lengths = np.array([run.count(" ") + 1 for run in vocabulary.runs], np.int64)
    run_keys = np.zeros(len(lengths), np.int64)
    for i, run in enumerate(vocabulary.runs):
        key = 0
        for word in run.split(" "):
            key = key * base + number[word]
        run_keys[i] = key
    all_rows, all_columns = [], []
    for length in range(2, GRAMS + 1):
        of_length = np.flatnonzero(lengths == length)
        if len(of_length):
            of_length = of_length[np.argsort(run_keys[of_length], kind="stable")]
            known_keys = run_keys[of_length]
            rows, keys = _grams(title_ids, length, base)
            place = np.minimum(np.searchsorted(known_keys, keys), len(known_keys) - 1)
            hit = known_keys[place] == keys
            all_rows.append(rows[hit])
            all_columns.append(of_length[place[hit]])
    body_ids = _WordIds(bodies, vocabulary.body)
    for texts, offset in ((title_ids, len(vocabulary.runs)), (body_ids, vocabulary.title_features)):
        hit = texts.ids >= 0
        all_rows.append(texts.rows()[hit])
        all_columns.append(texts.ids[hit] + offset)
    return _count_pairs(np.concatenate(all_rows), np.concatenate(all_columns), (len(titles), len(vocabulary)))


def weight_features(counts: sparse.csr_matrix, vocabulary: Vocabulary) -> sparse.csr_matrix:
    """Return counts weighted by (1 + ln tf) · idf, each field of each text normalised to length 1."""
    weighted = counts.copy()
    weighted.data = (1 + np.log(weighted.data)) * vocabulary.idf[weighted.indices]
    rows = np.repeat(np.arange(weighted.shape[0]), np.diff(weighted.indptr))
    fields = 2 * rows + (weighted.indices >= vocabulary.title_features)
    squares = np.bincount(fields, weighted.data.astype(np.float64) ** 2, minlength=2 * weighted.shape[0])
    weighted.data = (weighted.data / np.sqrt(squares[fields])).astype(np.float32)
    return weighted


def draft_kinds(features: sparse.csr_matrix, vocabulary: Vocabulary) -> Ints:
    """Return each question's kind: 1 if it has a known word in the body, else 0; [questions]."""
    return np.asarray(np.diff(features[:, vocabulary.title_features :].indptr) > 0, np.int64)


def shared_word_matrix(vocabulary: Vocabulary) -> sparse.csr_matrix:
    """Return which features are one word, seen in the title or in the body: float32 [features, words], 0 or 1.

    Runs of several words belong to none.
    """
    number: dict[str, int] = {}
    columns = [number.setdefault(word, len(number)) for word in vocabulary.title + vocabulary.body]
    rows = np.arange(len(columns)) + len(vocabulary.runs)
    shape = (len(vocabulary), len(number))
    return sparse.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), shape=shape)
