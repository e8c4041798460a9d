"""A compared pipeline as it would be served: from a draft to scores, one draft at a time, on one thread."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import onnxruntime

from model.compare.classifiers import Fitted
from model.compare.encoders import Encoder, MiniLM
from model.compare.graphs import join_graphs
from model.questions import Question
from model.runs.arrays import Floats

LARGEST_DIFFERENCE: Final = 1e-4
"""Largest difference of a score between ONNX Runtime and scikit-learn that counts as exact."""


class Served(Protocol):
    """What answers a draft."""

    runtime: str
    megabytes: float

    def scores(self, title: str, body: str) -> Floats:
        """Return the scores of all tags, [tags]."""


@dataclass(frozen=True, slots=True)
class Parity:
    """How far ONNX Runtime is from scikit-learn on ``n`` drafts: the largest difference, and the same best five."""

    n: int
    largest_difference: float
    same_best_five: int

    @property
    def exact(self) -> bool:
        """Whether the graph may stand for the pipeline."""
        return self.largest_difference <= LARGEST_DIFFERENCE


class InOnnx:
    """A pipeline as one ONNX graph."""

    runtime = "ONNX Runtime"

    def __init__(self, encoder: Encoder, fitted: Fitted, tags: int) -> None:
        """Export the pipeline and load it."""
        inputs = {"ids": "tokens"} if isinstance(encoder, MiniLM) else {"title": "string", "body": "string"}
        graph = join_graphs(encoder.graph(), fitted.graph(), inputs, tags)
        self.megabytes = len(graph) / 1e6
        self._encoder = encoder
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])

    def scores(self, title: str, body: str) -> Floats:
        """Return the scores of all tags, [tags]."""
        (served_scores,) = self._session.run(["scores"], self._encoder.inputs(title, body))
        return np.asarray(served_scores[0], np.float32)


class InPython:
    """A pipeline as it was trained."""

    runtime = "scikit-learn"

    def __init__(self, encoder: Encoder, fitted: Fitted) -> None:
        """Keep encoder and classifier; their size is that of their pickle."""
        self._encoder, self._fitted = encoder, fitted
        self.megabytes = len(pickle.dumps((encoder, fitted))) / 1e6

    def scores(self, title: str, body: str) -> Floats:
        """Return the scores of all tags, [tags]."""
        return np.asarray(self._fitted.scores(self._encoder.encode([make_draft(title, body)]))[0], np.float32)


def make_draft(title: str, body: str) -> Question:
    """Return a draft as a question without tags; its texts are ready."""
    return Question(title, body, (), True, None, None, "", "")


def measure_parity(served: Served, encoder: Encoder, fitted: Fitted, texts: Sequence[tuple[str, str]]) -> Parity:
    """Compare what is served with what was trained, on texts that are ready."""
    expected: Any = fitted.scores(encoder.encode([make_draft(*text) for text in texts]))
    served_scores = np.stack([served.scores(*text) for text in texts])
    same = sum(_same_best(ours, theirs) for ours, theirs in zip(served_scores, expected, strict=True))
    return Parity(len(texts), float(np.abs(served_scores - expected).max()), same)


def _same_best(served_scores: Floats, expected: Floats) -> bool:
    """Return whether the best five have the same scores in the same places; ties may be in any order."""
    best = np.argsort(-served_scores, kind="stable")[:5]
    return bool(np.allclose(np.sort(expected)[::-1][:5], expected[best], rtol=0, atol=1e-5))
