"""Vectors of words: alike where the words around them are alike."""

import numpy as np

from model.compare import word2vec

# Words 0 and 1 stand among 2, 3, 4; words 5 and 6 among 7, 8, 9.
TEXTS = [[2, 0, 3, 4], [3, 1, 2, 4], [4, 2, 0, 3], [1, 4, 3, 2], [7, 5, 8, 9], [8, 6, 7, 9], [9, 7, 5, 8], [6, 9, 8, 7]]
SMALL = word2vec.Word2VecParameters(width=16, epochs=20, drawn=8, batch=64, often=1)


def learned(seed: int) -> np.ndarray:
    texts = TEXTS * 60
    starts = np.concatenate([[0], np.cumsum([len(text) for text in texts])])
    return word2vec.train_vectors(np.concatenate(texts).astype(np.int64), starts, 10, SMALL, seed)


def test_words_with_the_same_neighbours_are_alike() -> None:
    vectors = learned(1)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[5] + 0.3
    assert vectors[5] @ vectors[6] > vectors[1] @ vectors[6] + 0.3


def test_the_same_seed_gives_the_same_vectors() -> None:
    assert np.array_equal(learned(1), learned(1))
    assert not np.array_equal(learned(1), learned(2))


def test_a_word_is_guessed_from_its_own_text_only() -> None:
    ids, text = np.array([0, 1, 2, 3]), np.array([0, 0, 1, 1])
    rows, words = word2vec._find_context(ids, text, np.array([1, 2]), 5)
    assert list(zip(rows.tolist(), words.tolist(), strict=True)) == [(0, 0), (1, 3)]
