"""The words that are given as reasons are those whose loss costs a tag most."""

import numpy as np
import pytest

from model.serving.explanation import MIN_SHARE, DraftWords, embedding_losses, pick_words
from model.serving.tokens import DraftTokenizer
from model.training.encoder.encode import EncoderFiles


def test_a_words_loss_in_the_encoders_part_is_that_of_the_mean_without_its_tokens() -> None:
    random = np.random.default_rng(1)
    evidence = random.standard_normal((6, 3)).astype(np.float32)
    word_of = np.array([-1, 0, 1, 1, 0, -1])
    losses = embedding_losses(word_of, 3, evidence.T).T
    for word in (0, 1):
        without = evidence[word_of != word].mean(axis=0)
        assert losses[word] == pytest.approx(evidence.mean(axis=0) - without, abs=1e-6)
    assert losses[2] == pytest.approx([0, 0, 0])


def test_every_token_belongs_to_the_word_it_is_cut_from(encoder_files: EncoderFiles) -> None:
    title, body = "C++ und naïve Iterators?", "std::vector C++ 日本語 vector"
    words = DraftWords(title, body, np.array([], object), 0)
    tokens = DraftTokenizer.from_bytes(encoder_files.tokenizer, 96).tokenize(title, body)
    for word, field, (start, end) in zip(words.number_tokens(tokens), tokens.field, tokens.spans, strict=True):
        piece = (title, body)[field][start:end] if field >= 0 else ""
        if word >= 0:
            # A token may be longer than a word of ASCII letters: naïve is na and ve, each with its own begin.
            shorter, longer = sorted([piece.lower(), words.spelled[word].lower()], key=len)
            assert shorter in longer
        else:
            assert not any(character.isascii() and character.isalnum() for character in piece)
    # A word of the title and the body is one.
    assert [word.lower() for word in words.spelled].count("c++") == 1
    assert "vector" in words.spelled


def test_words_come_by_their_loss_three_at_most_and_none_that_is_noise() -> None:
    words = DraftWords("a b c d", "", np.array(["a", "b", "c", "d"], object), 4)
    losses = np.array([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 4.0 * MIN_SHARE - 0.01], [-1.0, -1.0, 0.0, -2.0]])
    assert pick_words(words, losses) == [("d", "c", "b"), ("a", "b", "c"), ()]
    assert pick_words(words, np.array([[1.0, MIN_SHARE - 0.01, 0.0, MIN_SHARE + 0.01]])) == [("a", "d")]
