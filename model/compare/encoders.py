"""Questions as numbers: TF-IDF, Word2Vec and MiniLM, each learned or loaded, each with the graph that serves it.

An encoder's ``encode`` gives float32 [questions, features]; its ``graph`` takes ``title`` and ``body``, string [1], in
lower case (MiniLM's takes ``ids``, int64 [n]), and gives ``features``, float [1, features].
"""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Protocol, TypeAlias

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from threadpoolctl import threadpool_limits

from model.compare import word2vec
from model.compare.graphs import GraphBuilder, convert_vectorizer
from model.questions import Question
from model.serving.tokens import DraftTokenizer
from model.training.encoder import minilm
from model.training.encoder.graph import export_encoder

Matrix: TypeAlias = Any
"""Features, float32 [questions, features], dense or sparse; scipy has no types."""

WORDS: Final = r"[a-zA-Z0-9_#+.\-]+"
"""A word. Plain ASCII and given by name: skl2onnx replaces scikit-learn's default pattern, silently."""
MINILM_TOKENS: Final = 64
"""Word pieces of a question that MiniLM reads."""


class Encoder(Protocol):
    """What every encoder has; ``seconds`` of encoding count as training too, since training needs it."""

    name: str

    def encode(self, questions: Sequence[Question], after_each: Callable[[], None] = ...) -> Matrix:
        """Return the features of questions, float32 [questions, features]."""

    def graph(self) -> onnx.ModelProto:
        """Return the ONNX graph from a draft to its features."""

    def inputs(self, title: str, body: str) -> dict[str, NDArray[Any]]:
        """Turn a draft into what the graph takes."""


def _lower_texts(questions: Sequence[Question]) -> tuple[list[str], list[str]]:
    """Return titles and bodies in lower case: done here, since the graph's own lower case depends on a locale."""
    return [question.title.lower() for question in questions], [question.body.lower() for question in questions]


def _string_inputs(title: str, body: str) -> dict[str, NDArray[Any]]:
    return {"title": np.array([title.lower()], object), "body": np.array([body.lower()], object)}


class TfIdf:
    """Runs of 1 and 2 words of the title beside words of the body, weighed by tf · idf, each field at length 1.

    Counts are not damped (``sublinear_tf``): skl2onnx makes log(1 + tf) of it, where scikit-learn has 1 + log(tf).
    """

    name = "TF-IDF"

    def __init__(self, questions: Sequence[Question], most: int = 30_000) -> None:
        """Choose the words of each field, the ``most`` commonest, and learn their idf."""
        titles, bodies = _lower_texts(questions)
        self._fields = {
            "title": TfidfVectorizer(
                token_pattern=WORDS, lowercase=False, ngram_range=(1, 2), min_df=2, max_features=most, dtype=np.float32
            ).fit(titles),
            "body": TfidfVectorizer(
                token_pattern=WORDS, lowercase=False, min_df=2, max_features=most, dtype=np.float32
            ).fit(bodies if any(bodies) else titles),
        }

    def encode(self, questions: Sequence[Question], after_each: Callable[[], None] = lambda: None) -> Matrix:
        """Return sparse features."""
        columns = [
            self._fields[name].transform(texts)
            for name, texts in zip(self._fields, _lower_texts(questions), strict=True)
        ]
        for _ in questions:
            after_each()
        return sparse.hstack(columns, format="csr", dtype=np.float32)

    def graph(self) -> onnx.ModelProto:
        """Return both fields' vectorizers, converted by skl2onnx, side by side."""
        parts = GraphBuilder()
        outputs = [
            parts.add(convert_vectorizer(vectorizer, name), f"{name}_") for name, vectorizer in self._fields.items()
        ]
        parts.node("Concat", outputs, "features", axis=1)
        size = sum(len(vectorizer.vocabulary_) for vectorizer in self._fields.values())
        return parts.model({"title": "string", "body": "string"}, {"features": size})

    def inputs(self, title: str, body: str) -> dict[str, NDArray[Any]]:
        """Return the draft in lower case."""
        return _string_inputs(title, body)


class Word2Vec:
    """The mean of the vectors of a title's words, beside that of a body's.

    A mean is a product: the share of each word in the text times the matrix of vectors. So the graph is a vectorizer of
    skl2onnx with one matrix behind it.
    """

    name = "Word2Vec"

    def __init__(
        self,
        questions: Sequence[Question],
        seed: int,
        most: int = 30_000,
        parameters: word2vec.Word2VecParameters | None = None,
    ) -> None:
        """Learn the vectors of the ``most`` commonest words from titles and bodies, on one thread."""
        texts = [text for pair in zip(*_lower_texts(questions), strict=True) for text in pair]
        self._share = TfidfVectorizer(
            token_pattern=WORDS,
            lowercase=False,
            use_idf=False,
            norm="l1",
            min_df=2,
            max_features=most,
            dtype=np.float32,
        ).fit(texts)
        number = self._share.vocabulary_
        words = re.compile(WORDS).findall
        ids = [[number[word] for word in words(text) if word in number] for text in texts]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in ids])])
        flat = np.fromiter((i for row in ids for i in row), np.int64, starts[-1])
        # Its products are small: more threads would cost more than they give.
        with threadpool_limits(1):
            self.vectors = word2vec.train_vectors(
                flat, starts, len(number), parameters or word2vec.Word2VecParameters(), seed
            )
        # Classifiers weigh small numbers less: bring the mean of a title to about length 1.
        means = self._share.transform(texts[:2_000:2]) @ self.vectors
        self.vectors /= np.float32(max(np.sqrt((means * means).sum(axis=1).mean()), 1e-6))

    def encode(self, questions: Sequence[Question], after_each: Callable[[], None] = lambda: None) -> Matrix:
        """Return dense features: a title's mean, then a body's."""
        columns = [self._share.transform(texts) @ self.vectors for texts in _lower_texts(questions)]
        for _ in questions:
            after_each()
        return np.ascontiguousarray(np.hstack(columns), np.float32)

    def graph(self) -> onnx.ModelProto:
        """Return the vectorizer, converted by skl2onnx once a field, and one product with the vectors."""
        parts = GraphBuilder()
        parts.constant("vectors", self.vectors)
        means = []
        for name in ("title", "body"):
            share = parts.add(convert_vectorizer(self._share, name), f"{name}_")
            means.append(parts.sparse_product(share, "vectors", f"{name}_mean"))
        parts.node("Concat", means, "features", axis=1)
        return parts.model({"title": "string", "body": "string"}, {"features": 2 * self.vectors.shape[1]})

    def inputs(self, title: str, body: str) -> dict[str, NDArray[Any]]:
        """Return the draft in lower case."""
        return _string_inputs(title, body)


class MiniLM:
    """A distilled BERT for sentences, as published, its weights at 8 bits: the mean of its states at length 1."""

    name = "MiniLM"

    def __init__(self, threads: int) -> None:
        """Load the weights from their package.

        Raises:
            model.training.encoder.minilm.EncoderMissing: the package is not installed.
        """
        self._tokenizer = DraftTokenizer.from_bytes(minilm.read_tokenizer(), MINILM_TOKENS)
        self._encoder = export_encoder(minilm.read_weights())
        self._threads = threads

    def encode(self, questions: Sequence[Question], after_each: Callable[[], None] = lambda: None) -> Matrix:
        """Return dense features, one question at a time as when it is served, on several threads."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(
            self.graph().SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        rows = []
        with ThreadPoolExecutor(self._threads) as pool:
            for (row,) in pool.map(lambda q: session.run(["features"], self.inputs(q.title, q.body)), questions):
                rows.append(row)
                after_each()
        return np.ascontiguousarray(np.concatenate(rows), np.float32)

    def graph(self) -> onnx.ModelProto:
        """Return the encoder with the mean of its states at length 1."""
        parts = GraphBuilder()
        parts.constant("over_tokens", np.array([0], np.int64))
        states = parts.add(onnx.load_from_string(self._encoder), "")
        parts.node("ReduceMean", [states, "over_tokens"], "mean", keepdims=1)
        parts.node("LpNormalization", ["mean"], "features", axis=1, p=2)
        return parts.model({"ids": "tokens"}, {"features": 384})

    def inputs(self, title: str, body: str) -> dict[str, NDArray[Any]]:
        """Return the draft's word pieces."""
        return {"ids": self._tokenizer.tokenize(title, body).ids}
