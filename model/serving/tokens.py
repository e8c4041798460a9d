"""A draft as the encoder reads it: the same code for training and for serving.

``[CLS] title [SEP] body [SEP]``, cut to a number of tokens; without a body, ``[CLS] title [SEP]``.
"""

import json
from dataclasses import dataclass
from typing import Final

import numpy as np
from tokenizers import Tokenizer

from model.serving.arrays import Ints

TITLE_TOKENS: Final = 40
"""Most tokens of a title that are read: nearly every title is shorter."""
CHARS_A_TOKEN: Final = 12
"""Characters that are tokenized for each token that is read: more than a token has in real text."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A draft's tokens.

    ``ids`` is int64 [n]. ``spans`` [n, 2]: where each token begins and ends in its field; ``field`` [n]: 0 title,
    1 body, -1 neither (``[CLS]``, ``[SEP]``).
    """

    ids: Ints
    spans: Ints
    field: Ints


class DraftTokenizer:
    """Turns drafts into tokens. Safe to use from several threads at once."""

    def __init__(self, tokenizer: Tokenizer, max_tokens: int) -> None:
        """Use a word-piece tokenizer, and read at most ``max_tokens`` tokens of a draft."""
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self._tokenizer = tokenizer
        self._cls = tokenizer.token_to_id("[CLS]")
        self._sep = tokenizer.token_to_id("[SEP]")
        self.max_tokens = max_tokens

    @classmethod
    def from_bytes(cls, content: bytes, max_tokens: int) -> "DraftTokenizer":
        """Make a tokenizer from the content of a ``tokenizer.json``.

        Raises:
            ValueError: it is not one, or has no ``[CLS]`` or ``[SEP]``.
        """
        json.loads(content)
        try:
            tokenizer = Tokenizer.from_buffer(content)
        except Exception as error:  # the library's own errors share no base but Exception
            raise ValueError(f"not a tokenizer: {error}") from error
        if tokenizer.token_to_id("[CLS]") is None or tokenizer.token_to_id("[SEP]") is None:
            raise ValueError("the tokenizer lacks [CLS] or [SEP]")
        return cls(tokenizer, max_tokens)

    def tokenize(self, title: str, body: str) -> Tokens:
        """Return the tokens of a prepared draft (``text.prepare_text``), at least two and at most ``max_tokens``."""
        ids, spans, field = [self._cls], [(0, 0)], [-1]
        for number, text, limit in ((0, title, TITLE_TOKENS), (1, body, self.max_tokens)):
            if number == 1 and not body:
                break
            room = min(limit, self.max_tokens - len(ids) - 1)
            if room <= 0:
                break
            encoded = self._tokenizer.encode(text[: CHARS_A_TOKEN * room], add_special_tokens=False)
            n = min(len(encoded.ids), room)
            ids += [*encoded.ids[:n], self._sep]
            spans += [*encoded.offsets[:n], (0, 0)]
            field += [*[number] * n, -1]
        return Tokens(np.array(ids, np.int64), np.array(spans, np.int64), np.array(field, np.int64))
