"""The session that runs the encoder's 8-bit graph: a draft's text to the embeddings of its tokens.

Serving and training both use it; what is fine-tuned is ``model.training.encoder.network.EncoderNetwork``.
"""

from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.serving.arrays import Floats
from model.serving.tokens import DraftTokenizer, Tokens

_INPUT: Final = "ids"
_OUTPUT: Final = "states"


class EncoderSession:
    """An encoder in memory. Safe to use from several threads at once.

    Attributes:
        width: of an embedding.
        max_tokens: of a draft that are read.
    """

    def __init__(self, graph: bytes, tokenizer: bytes, max_tokens: int) -> None:
        """Load the graph and the tokenizer from their files' bytes.

        Raises:
            Exception: one of them is not of ours; ONNX Runtime's own errors share no base.
        """
        options = onnxruntime.SessionOptions()
        # Threads inside one answer only take cores from other answers.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._tokenizer = DraftTokenizer.from_bytes(tokenizer, max_tokens)
        self.width = int(self._session.get_outputs()[0].shape[-1])
        self.max_tokens = max_tokens
        self.encode("", "")  # fails at once if inputs or outputs are others

    def encode(self, title: str, body: str) -> tuple[Tokens, Floats]:
        """Return the tokens of a prepared draft (``text.prepare_text``) and their embeddings, float32 [n, width]."""
        tokens = self._tokenizer.tokenize(title, body)
        (embeddings,) = self._session.run([_OUTPUT], {_INPUT: tokens.ids})
        return tokens, embeddings

    def mean_embedding(self, title: str, body: str) -> NDArray[np.float16]:
        """Return the mean of a prepared draft's embeddings, as training keeps it: float16 [width]."""
        return np.asarray(self.encode(title, body)[1].mean(axis=0), np.float16)
