"""A draft as the encoder reads it: the same code for training and for serving.

``[CLS] title [SEP] body [SEP]``, cut to a number of tokens; the body's part is left out where there is no body.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

TITLE_TOKENS: Final = 40
"""Tokens of a title that are read: all of nearly every title."""
CHARS_A_TOKEN: Final = 12
"""Characters of a body that are looked at for each token that is read: more than a token ever takes in real text."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A draft's tokens.

    ``ids`` is int64 [n]. ``spans`` [n, 2]: where each token begins and ends in its field; ``field`` [n]: 0 title,
    1 body, -1 neither (``[CLS]``, ``[SEP]``).
    """

    ids: NDArray[np.int64]
    spans: NDArray[np.int64]
    field: NDArray[np.int64]


class DraftTokenizer:
    """Turns drafts into tokens. Safe to use from several threads at once."""

    def __init__(self, tokenizer: Tokenizer, most: int) -> None:
        """Use a word-piece tokenizer, and read ``most`` tokens of a draft."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._first = tokenizer.token_to_id("[CLS]")
        self._end = tokenizer.token_to_id("[SEP]")
        self.most = most

    @classmethod
    def load(cls, file: Path, most: int) -> "DraftTokenizer":
        """Read a ``tokenizer.json``.

        Raises:
            ValueError: the file is none, or its tokenizer has no ``[CLS]`` or ``[SEP]``.
            OSError: it cannot be read.
        """
        return cls.of(file.read_bytes(), most)

    @classmethod
    def of(cls, content: bytes, most: int) -> "DraftTokenizer":
        """Make one of the content of a ``tokenizer.json``.

        Raises:
            ValueError: it is none, or has no ``[CLS]`` or ``[SEP]``.
        """
        json.loads(content)
        try:
            tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the library's own errors share no base but Exception
            raise ValueError(f"not a tokenizer: {error}") from error
        if tokenizer.token_to_id("[CLS]") is None or tokenizer.token_to_id("[SEP]") is None:
            raise ValueError("the tokenizer lacks [CLS] or [SEP]")
        return cls(tokenizer, most)

    def tokens(self, title: str, body: str) -> Tokens:
        """Return the tokens of a prepared draft (``text.ready``), at least two and at most ``most``."""
        ids, spans, field = [self._first], [(0, 0)], [-1]
        for number, text, room in ((0, title, TITLE_TOKENS), (1, body, self.most)):
            if number == 1 and not body:
                break
            left = min(room, self.most - len(ids) - 1)
            if left <= 0:
                break
            found = self._tokenizer.encode(text[: CHARS_A_TOKEN * left], add_special_tokens=False)
            n = min(len(found.ids), left)
            ids += [*found.ids[:n], self._end]
            spans += [*found.offsets[:n], (0, 0)]
            field += [*[number] * n, -1]
        return Tokens(np.array(ids, np.int64), np.array(spans, np.int64), np.array(field, np.int64))
