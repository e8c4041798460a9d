"""The encoder at work: a draft's text to the states of its tokens, by the 8-bit graph, for serving and for training."""

from typing import Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from model.serving.tokens import DraftTokenizer, Tokens

Floats = NDArray[np.float32]

_INPUT: Final = "ids"
_OUTPUT: Final = "states"


class Encoder:
    """An encoder in memory. Safe to use from several threads at once.

    Attributes:
        width: numbers of a state.
        most: tokens of a draft that are read.
    """

    def __init__(self, graph: bytes, tokenizer: bytes, most: int) -> None:
        """Load the graph and the tokenizer from their files' bytes.

        Raises:
            Exception: one of them is no graph or tokenizer of ours; ONNX Runtime's own errors share no base.
        """
        options = onnxruntime.SessionOptions()
        # Threads inside one answer only take cores from other answers.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
        self._tokenizer = DraftTokenizer.of(tokenizer, most)
        self.width = int(self._session.get_outputs()[0].shape[-1])
        self.most = most
        self.encode("", "")  # says at once if inputs or outputs are others

    def encode(self, title: str, body: str) -> tuple[Tokens, Floats]:
        """Return the tokens of a prepared draft (``text.ready``) and their states, float32 [n, width]."""
        tokens = self._tokenizer.tokens(title, body)
        (states,) = self._session.run([_OUTPUT], {_INPUT: tokens.ids})
        return tokens, states

    def mean(self, title: str, body: str) -> NDArray[np.float16]:
        """Give the mean state of a draft that is ready, as training keeps it: float16 [width]."""
        return np.asarray(self.encode(title, body)[1].mean(axis=0), np.float16)
