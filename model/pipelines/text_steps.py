"""The steps of a pipeline that read text: which they are, and the nodes that compute the same features.

skl2onnx would convert them without a word and not exactly: it replaces the default token pattern, damps counts by
another formula, and drops stop words after runs were made. Here a vectorizer becomes ONNX Runtime's Tokenizer and
TfIdfVectorizer, and its weights plain arithmetic, as scikit-learn computes them, in 64 bits.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.pipeline import FeatureUnion, Pipeline

from model.pipelines.patterns import translate_pattern
from model.pipelines.unsupported import UnsupportedStep
from model.training.onnx_graph import Value
from model.training.onnx_text import ModelGraph, add_tokens, count_runs

Field = Literal["title", "body", "joined"]
"""What a step reads: one of a draft's texts, or both as one text, the title first."""
_COLUMNS: Final[dict[Any, Field]] = {0: "title", 1: "body", "title": "title", "body": "body"}


@dataclass(frozen=True, slots=True)
class Active:
    """A draft's active features in a graph: their numbers, int64 [n], and their values, float64 [n]."""

    index: Value
    value: Value


@dataclass(frozen=True, slots=True)
class Features:
    """What a step computes features of.

    ``terms``: the words of each feature, joined by spaces; ``of_body`` [features]: which are of the body alone;
    ``lower_case``: whether texts are read in lower case; ``joined``: whether title and body are read as one text.
    """

    terms: tuple[str, ...]
    of_body: NDArray[np.bool_]
    lower_case: bool
    joined: bool


class TextStep(Protocol):
    """What turns a draft's texts into features."""

    @property
    def features(self) -> Features:
        """What it computes."""

    def replacements(self) -> Iterator[str]:
        """Yield what of it is put into other words for ONNX Runtime, to compute the same."""

    def add(self, g: ModelGraph, prefix: str) -> Active:
        """Add its nodes, their names prefixed; the title's features come first."""


@dataclass(frozen=True, slots=True)
class Vectorizer:
    """Counts the words of a text. ``stop_words`` are dropped before runs of words are made.

    ``name`` is the step's; ``written`` is the token pattern as scikit-learn has it, ``pattern`` as ONNX Runtime does.
    """

    name: str
    field: Field
    written: str
    pattern: str
    stop_words: tuple[str, ...]
    binary: bool
    features: Features

    def replacements(self) -> Iterator[str]:
        """Yield what becomes of the token pattern and of stop words."""
        if self.pattern != self.written:
            yield f"{self.name}: the token pattern {self.written!r} becomes {self.pattern!r}"
        if self.stop_words:
            yield f"{self.name}: {len(self.stop_words):,} stop words are dropped before runs of words are made"

    def add(self, g: ModelGraph, prefix: str) -> Active:
        """Add its nodes."""
        texts = ("title", "body") if self.field == "joined" else (self.field,)
        # No token has white space in it, so two texts' tokens are those of the two joined by a line break.
        tokens = [add_tokens(g, Value(text), f"{prefix}_{text}_tokens", self.pattern) for text in texts]
        words = g.concat(*tokens, g.separator, name=f"{prefix}_words", axis=1)
        if self.stop_words:
            words = g.node(
                "StringNormalizer",
                words,
                name=f"{prefix}_kept_words",
                case_change_action="NONE",
                is_case_sensitive=1,
                locale="C",
                stopwords=list(self.stop_words),
            )
        index, counts = count_runs(g, words, prefix, self.features.terms)
        value = g.cast(g.gather(counts, index, name=f"{prefix}_active_counts"), f"{prefix}_count", TensorProto.DOUBLE)
        if self.binary:
            value = g.node("Sign", value, name=f"{prefix}_once")
        return Active(index, value)


@dataclass(frozen=True, slots=True)
class Weighting:
    """Weights counts by idf, float64 [features], and brings them to length 1 by a norm."""

    counted: TextStep
    idf: NDArray[np.float64] | None
    sublinear: bool
    norm: Literal["l1", "l2"] | None

    @property
    def features(self) -> Features:
        """The same ones."""
        return self.counted.features

    def replacements(self) -> Iterator[str]:
        """Yield those of the counts, and the damping."""
        yield from self.counted.replacements()
        if self.sublinear:
            yield "sublinear_tf: counts become 1 + ln(count) by nodes of their own"

    def add(self, g: ModelGraph, prefix: str) -> Active:
        """Add its nodes and those of what it weights."""
        active = self.counted.add(g, prefix)
        value = active.value
        if self.sublinear:
            one = g.constant(f"{prefix}_one", np.array([1.0]))
            value = g.node("Add", g.node("Log", value, name=f"{prefix}_log"), one, name=f"{prefix}_sublinear")
        if self.idf is not None:
            idf = g.gather(g.constant(f"{prefix}_idf", self.idf), active.index, name=f"{prefix}_active_idf")
            value = g.node("Mul", value, idf, name=f"{prefix}_weighted")
        if self.norm:
            operator = {"l1": "ReduceL1", "l2": "ReduceL2"}[self.norm]
            length = g.node(operator, value, name=f"{prefix}_length", keepdims=1)
            # A text without a known word has length 0, and nothing that could be divided by it.
            tiny = g.constant(f"{prefix}_tiny", np.array([1e-300]))
            value = g.node(
                "Div", value, g.node("Max", length, tiny, name=f"{prefix}_length_safe"), name=f"{prefix}_normed"
            )
        return Active(active.index, value)


@dataclass(frozen=True, slots=True)
class Joined:
    """The features of several steps side by side; each one's values are multiplied by its ``weights``."""

    steps: tuple[TextStep, ...]
    weights: tuple[float, ...]

    @property
    def features(self) -> Features:
        """Those of all steps, in the order of the steps."""
        parts = [step.features for step in self.steps]
        return Features(
            tuple(term for part in parts for term in part.terms),
            np.concatenate([part.of_body for part in parts]),
            parts[0].lower_case,
            parts[0].joined,
        )

    def replacements(self) -> Iterator[str]:
        """Yield those of all steps."""
        for step in self.steps:
            yield from step.replacements()

    def add(self, g: ModelGraph, prefix: str) -> Active:
        """Add the nodes of all steps, those that read the title first."""
        indices, values = [], []
        for number, first, step, weight in self._by_field():
            name = f"{prefix}_{number}"
            active = step.add(g, name)
            offset = g.constant(f"{name}_first", np.array([first], np.int64))
            indices.append(g.node("Add", active.index, offset, name=f"{name}_joined_index"))
            factor = g.constant(f"{name}_weight", np.array([weight]))
            values.append(g.node("Mul", active.value, factor, name=f"{name}_joined_value"))
        return Active(g.concat(*indices, name=f"{prefix}_index"), g.concat(*values, name=f"{prefix}_value"))

    def _by_field(self) -> Iterator[tuple[int, int, TextStep, float]]:
        """Yield number, first feature, step and weight of each, those that read the body last."""
        firsts = np.cumsum([0, *(len(step.features.terms) for step in self.steps)]).tolist()
        numbered = list(zip(range(len(self.steps)), firsts[:-1], self.steps, self.weights, strict=True))
        yield from sorted(numbered, key=lambda entry: entry[2].features.of_body.all())


def read_first_step(name: str, step: Any) -> TextStep:
    """Return what the fitted first step of a pipeline computes, of both texts joined or of each by itself.

    Args:
        name: of the step, for errors.

    Raises:
        UnsupportedStep: it is of another kind, or has a setting that cannot be carried over exactly.
    """
    if type(step) is ColumnTransformer:
        return _join(name, step, list(_list_columns(name, step)))
    return _read_text_step(name, step, "joined")


def _read_text_step(name: str, step: Any, field: Field) -> TextStep:
    if type(step) in (CountVectorizer, TfidfVectorizer):
        return _read_vectorizer(name, step, field)
    if type(step) is Pipeline:
        (first_name, first), *others = step.steps
        read = _read_text_step(first_name, first, field)
        for other_name, other in others:
            if other is not None and other != "passthrough":
                read = read_weighting(other_name, other, read)
        return read
    if type(step) is FeatureUnion:
        return _join(name, step, [(part, one, field) for part, one in step.transformer_list if one != "drop"])
    raise UnsupportedStep(
        name,
        step,
        "is not one that reads text and can be carried over. Known are TfidfVectorizer, CountVectorizer, "
        "TfidfTransformer, FeatureUnion, Pipeline, and ColumnTransformer as the first step.",
    )


def read_weighting(name: str, step: Any, counted: TextStep) -> TextStep:
    """Return what a fitted ``TfidfTransformer`` makes of counts.

    Raises:
        UnsupportedStep: it is none, or not fitted.
    """
    if type(step) is not TfidfTransformer:
        raise UnsupportedStep(name, step, "cannot be carried over. After a vectorizer, TfidfTransformer can.")
    try:
        idf = np.asarray(step.idf_, np.float64) if step.use_idf else None
    except (NotFittedError, AttributeError) as error:
        raise UnsupportedStep(name, step, "is not fitted.") from error
    return Weighting(counted, idf, bool(step.sublinear_tf), step.norm)


def _read_vectorizer(name: str, step: Any, field: Field) -> TextStep:
    if step.analyzer != "word":
        raise UnsupportedStep(name, step, f"has analyzer={step.analyzer!r}: only 'word' can be carried over exactly.")
    for setting in ("strip_accents", "preprocessor", "tokenizer"):
        if getattr(step, setting) is not None:
            raise UnsupportedStep(name, step, f"has {setting}: fit it without, to have the service compute the same.")
    try:
        terms = tuple(map(str, step.get_feature_names_out()))
        pattern = translate_pattern(step.token_pattern)
        idf = np.asarray(step.idf_, np.float64) if isinstance(step, TfidfVectorizer) and step.use_idf else None
    except NotFittedError as error:
        raise UnsupportedStep(name, step, "is not fitted.") from error
    except ValueError as error:
        reason = f"has the token pattern {step.token_pattern!r}, which {error}: it cannot be carried over exactly."
        raise UnsupportedStep(name, step, reason) from error
    # Stop words are never features themselves; without runs of words nothing is left of them.
    stop_words = tuple(sorted(step.get_stop_words() or ())) if step.ngram_range[1] > 1 else ()
    features = Features(terms, np.full(len(terms), field == "body"), bool(step.lowercase), field == "joined")
    counted = Vectorizer(name, field, step.token_pattern, pattern, stop_words, bool(step.binary), features)
    if isinstance(step, TfidfVectorizer):
        return Weighting(counted, idf, bool(step.sublinear_tf), step.norm)
    return counted


def _list_columns(name: str, step: ColumnTransformer) -> Iterator[tuple[str, Any, Field]]:
    """Yield name, step and field of each column's transformer."""
    for part, transformer, columns in step.transformers_:
        if isinstance(transformer, str) and transformer == "drop":
            continue
        column = columns.lower() if isinstance(columns, str) else columns
        if isinstance(column, bool) or not isinstance(column, str | int) or column not in _COLUMNS:
            reason = f"reads the columns {columns!r}: one column a transformer, 'title' (or 0) or 'body' (or 1)."
            raise UnsupportedStep(f"{name}, {part}", transformer, reason)
        yield part, transformer, _COLUMNS[column]


def _join(name: str, step: Any, parts: Sequence[tuple[str, Any, Field]]) -> TextStep:
    if not parts:
        raise UnsupportedStep(name, step, "has no transformers.")
    read = tuple(_read_text_step(part, transformer, field) for part, transformer, field in parts)
    if len({text_step.features.lower_case for text_step in read}) > 1:
        raise UnsupportedStep(name, step, "reads one text in lower case and another as it is: fit both the same way.")
    weights = step.transformer_weights or {}
    return Joined(read, tuple(float(weights.get(part, 1.0)) for part, _, _ in parts))
