"""Word2Vec: vectors of words, learned by guessing a word from the words around it.

Continuous bag of words with negative sampling (Mikolov et al. 2013, "Distributed Representations of Words and Phrases
and their Compositionality"), in batches: the negatives are drawn once a batch, and steps are Adagrad's. The same texts
and seed give the same vectors. Written out because gensim has no wheels for the newest Python.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import expit

from model.runs.arrays import Floats, Ints


@dataclass(frozen=True, slots=True)
class Word2VecParameters:
    """Numbers a word; words on each side; passes; negatives a word, of ``drawn`` in a batch; the first step.

    ``often`` is the share of all words from which on a word is left out at random, the more often the commoner.
    """

    width: int = 128
    window: int = 5
    epochs: int = 5
    negatives: int = 8
    drawn: int = 256
    batch: int = 2048
    rate: float = 0.3
    often: float = 1e-3


def train_vectors(ids: Ints, starts: Ints, words: int, parameters: Word2VecParameters, seed: int) -> Floats:
    """Learn the words' vectors, float32 [words, width].

    Args:
        ids: all texts' words as numbers below ``words``, one text after the other.
        starts: where each text begins in ``ids``, and the end of the last: [texts + 1].
    """
    p, random = parameters, np.random.default_rng(seed)
    vectors = ((random.random((words, p.width)) - 0.5) / p.width).astype(np.float32)
    guesses = np.zeros((words, p.width), np.float32)
    sums = (np.full((words, 1), 1e-6, np.float32), np.full((words, 1), 1e-6, np.float32))
    uses = np.bincount(ids, minlength=words)
    kept_share = np.minimum(1, np.sqrt(p.often * len(ids) / np.maximum(uses, 1)))
    chance = np.cumsum(uses**0.75)
    text_of = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
    for epoch in range(p.epochs):
        kept = random.random(len(ids)) < kept_share[ids]
        here, text = ids[kept], text_of[kept]
        order = random.permutation(len(here))
        for first in range(0, len(order), p.batch):
            done = (epoch + first / len(order)) / p.epochs
            around = _find_context(here, text, order[first : first + p.batch], p.window)
            negatives = np.searchsorted(chance, random.random(p.drawn) * chance[-1], side="right")
            rate = p.rate * (1 - done)
            _update(vectors, guesses, sums, around, here[order[first : first + p.batch]], negatives, p.negatives, rate)
    return vectors


def _find_context(ids: Ints, text: Ints, places: Ints, window: int) -> tuple[Ints, Ints]:
    """Return (row, word) of the words around each place, in the same text."""
    offsets = np.concatenate([np.arange(-window, 0), np.arange(1, window + 1)])
    near = places[:, None] + offsets
    inside = (near >= 0) & (near < len(ids))
    near = np.where(inside, near, 0)
    inside &= text[near] == text[places][:, None]
    rows = np.repeat(np.arange(len(places)), inside.sum(axis=1))
    return rows, ids[near[inside]]


def _update(
    vectors: Floats,
    guesses: Floats,
    sums: tuple[Floats, Floats],
    around: tuple[Ints, Ints],
    wanted: Ints,
    negatives: Ints,
    weight: int,
    rate: float,
) -> None:
    """Guess ``wanted`` from the mean of the words around each, and none of ``negatives``; learn from the errors."""
    rows, words = around
    used, column = np.unique(words, return_inverse=True)
    n = np.bincount(rows, minlength=len(wanted))
    share = (1 / np.maximum(n, 1)).astype(np.float32)[rows]
    context = sparse.csr_matrix((share, (rows, column)), shape=(len(wanted), len(used)))
    middle = np.asarray(context @ vectors[used])
    yes, no = guesses[wanted], guesses[negatives]
    yes_error = (expit((middle * yes).sum(axis=1)) - 1).astype(np.float32)[:, None]
    no_error = expit(middle @ no.T) * np.float32(weight / len(negatives))
    slope = np.asarray(context.T @ (yes_error * yes + no_error @ no))
    _adagrad(vectors, sums[0], used, slope, rate)
    both = np.concatenate([wanted, negatives])
    learned, place = np.unique(both, return_inverse=True)
    add = sparse.csr_matrix((np.ones(len(both), np.float32), (place, np.arange(len(both)))))
    _adagrad(guesses, sums[1], learned, add @ np.concatenate([yes_error * middle, no_error.T @ middle]), rate)


def _adagrad(values: Floats, sums: Floats, rows: Ints, slope: Floats, rate: float) -> None:
    """Move ``rows`` of ``values`` against ``slope``, each row by a step of its own."""
    sums[rows] += (slope * slope).mean(axis=1, keepdims=True)
    values[rows] -= np.float32(rate) * slope / np.sqrt(sums[rows])
