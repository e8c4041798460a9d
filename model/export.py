"""One ONNX graph from a raw title and body to tags with calibrated scores, and the check that it computes the same.

The graph uses ONNX Runtime's own operators only and takes one draft at a time:

    title [1], body [1] (strings) → words → counts → active features → tf-idf → Σ embedding rows → output matrix
    → + direct weights → calibrated sigmoid → the best ``limit`` tags

Inputs: ``title``, ``body``: string [1]; ``limit``: int64 [1], from 1 to the number of tags.
Outputs: ``tags``: string [limit], ``scores``: float [limit], ``uses``: int64 [limit], ``features``: string [n], the
active features by their words, the title's first, ``values``: float [n], their weights in the draft,
``title_features``: int64 [1], how many are the title's, ``evidence``: float [n, limit], what each feature adds to each
tag's logit.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model import train
from model.calibration import Calibration, knots_and_ends
from model.features import GRAMS, Floats, Vocabulary, count, kinds, weigh
from model.text import APART, PART, WORD

_OPSET: Final = 18
_IR_VERSION: Final = 9
_NO_WORD: Final = "\t"
"""Stands where a field has no feature at all: the operator needs one, and no word can be this."""


class ExportError(Exception):
    """The exported graph does not compute what the trainer computes."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """Weights with 8-bit rows: value = integer · scale of its row.

    ``embedding`` int8 [words, rank], ``wide`` int8 [features, k], ``output`` int8 [tags, rank] (turned, since a
    tag's row is what evidence needs); scales are float32, one a row.
    """

    embedding: NDArray[np.int8]
    embedding_scale: Floats
    wide: NDArray[np.int8]
    wide_scale: Floats
    wide_tags: NDArray[np.int32]
    output: NDArray[np.int8]
    output_scale: Floats
    bias: Floats

    def weights(self) -> train.Weights:
        """Give the rounded numbers back as the trainer's float32 weights."""
        return train.Weights(
            embedding=self.embedding * self.embedding_scale[:, None],
            output=np.ascontiguousarray((self.output * self.output_scale[:, None]).T),
            bias=self.bias,
            wide=self.wide * self.wide_scale[:, None],
            wide_tags=self.wide_tags,
        )


def quantise(weights: train.Weights) -> Quantised:
    """Round weights to 8 bits a number, each row by its largest."""
    embedding, embedding_scale = _rows_as_int8(weights.embedding)
    wide, wide_scale = _rows_as_int8(weights.wide)
    output, output_scale = _rows_as_int8(np.ascontiguousarray(weights.output.T))
    return Quantised(
        embedding, embedding_scale, wide, wide_scale, weights.wide_tags, output, output_scale, weights.bias
    )


def _rows_as_int8(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    scale = np.maximum(np.abs(matrix).max(axis=1), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


class _Graph:
    """Nodes and constants of a graph, added one after the other."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def strings(self, name: str, values: Sequence[str]) -> str:
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=object), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output


def build(
    vocabulary: Vocabulary, tags: Sequence[str], uses: Sequence[int], model: Quantised, calibration: Calibration
) -> bytes:
    """Build the graph as the bytes of an ONNX file; its metadata carries the tags in the model's order."""
    g = _Graph()
    one_axis = g.constant("axis_1", np.array([1], np.int64))
    zero_axis = g.constant("axis_0", np.array([0], np.int64))
    # A field without any known word has length 0; what it has, nothing, is divided by a little more than that.
    g.constant("tiny", np.array([1e-12], np.float32))
    g.constant("one", np.array([1], np.float32))
    g.constant("apart", np.array([[APART]], dtype=object))

    titles, of_title = vocabulary.runs + vocabulary.title, vocabulary.of_title
    for field, pool, idf in (
        ("title", titles, vocabulary.idf[:of_title]),
        ("body", vocabulary.body, vocabulary.idf[of_title:]),
    ):
        if pool:
            _field(g, field, pool, idf)
        else:
            _field(g, field, [_NO_WORD], np.ones(1, np.float32))
    g.constant("of_title", np.array([of_title], np.int64))
    g.add("Add", ["body_index", "of_title"], "body_feature")
    g.add("Concat", ["title_index", "body_feature"], "feature", axis=0)
    g.add("Concat", ["title_value", "body_value"], "values", axis=0)
    g.add("Shape", ["title_value"], "title_features")

    # The low-rank part: rows of active features, weighed, summed, times the output matrix.
    # Runs, the first features, have none: they take row 0, which is all 0.
    no_row = np.zeros((1, model.embedding.shape[1]), np.int8)
    g.constant("embedding", np.concatenate([no_row, model.embedding]))
    g.constant("embedding_scale", np.concatenate([np.zeros(1, np.float32), model.embedding_scale]))
    g.constant("before_words", np.array([len(vocabulary.runs) - 1], np.int64))
    g.constant("no_row", np.array([0], np.int64))
    g.add("Sub", ["feature", "before_words"], "row_or_less")
    g.add("Max", ["row_or_less", "no_row"], "row")
    g.add("Gather", ["embedding", "row"], "rows_int8", axis=0)
    g.add("Cast", ["rows_int8"], "rows", to=TensorProto.FLOAT)
    g.add("Gather", ["embedding_scale", "row"], "row_scale", axis=0)
    g.add("Mul", ["values", "row_scale"], "row_value")
    g.add("Unsqueeze", ["row_value", zero_axis], "row_values")
    g.add("MatMul", ["row_values", "rows"], "hidden")
    # Cast and Mul of constants: done once, when the session is made.
    g.constant("output_int8", model.output)
    g.constant("output_scale", model.output_scale[:, None])
    g.add("Cast", ["output_int8"], "output_float", to=TensorProto.FLOAT)
    g.add("Mul", ["output_float", "output_scale"], "output")
    g.constant("bias", model.bias)
    g.add("Gemm", ["hidden", "output", "bias"], "low_rank", transB=1)

    # The wide part: each active feature's direct weights, added at its tags.
    g.constant("wide", model.wide)
    g.constant("wide_scale", model.wide_scale)
    g.constant("wide_tags", model.wide_tags.astype(np.int16 if len(tags) < 2**15 else np.int32))
    g.constant("flat", np.array([-1], np.int64))
    g.constant("start_shape", np.array([len(tags)], np.int64))
    g.add("Gather", ["wide", "feature"], "wide_int8", axis=0)
    g.add("Cast", ["wide_int8"], "wide_float", to=TensorProto.FLOAT)
    g.add("Gather", ["wide_scale", "feature"], "wide_row_scale", axis=0)
    g.add("Mul", ["values", "wide_row_scale"], "wide_value")
    g.add("Unsqueeze", ["wide_value", one_axis], "wide_values")
    g.add("Mul", ["wide_float", "wide_values"], "wide_added")
    g.add("Gather", ["wide_tags", "feature"], "wide_tag_short", axis=0)
    g.add("Cast", ["wide_tag_short"], "wide_tag", to=TensorProto.INT64)
    g.add("Reshape", ["wide_added", "flat"], "wide_added_flat")
    g.add("Reshape", ["wide_tag", "flat"], "wide_tag_flat")
    g.add("Reshape", ["low_rank", "start_shape"], "low_rank_flat")
    g.add("ScatterElements", ["low_rank_flat", "wide_tag_flat", "wide_added_flat"], "logit", axis=0, reduction="add")

    # Platt scaling by kind of draft orders the tags; the curve turns the best ones' values into scores.
    g.constant("second_kind", np.array([1], np.int64))
    g.add("Shape", ["body_value"], "body_features")
    g.add("Min", ["body_features", "second_kind"], "kind")
    begin, least, most = knots_and_ends()
    for name, value in (
        ("slope", calibration.slope),
        ("offset", calibration.offset),
        ("rise", calibration.rise),
        ("start", calibration.start[:, None]),
    ):
        g.constant(f"{name}_by_kind", value)
        g.add("Gather", [f"{name}_by_kind", "kind"], f"{name}_row", axis=0)
    g.add("Reshape", ["slope_row", "flat"], "slope")
    g.add("Reshape", ["offset_row", "flat"], "offset")
    g.add("Mul", ["logit", "slope"], "sloped")
    g.add("Add", ["sloped", "offset"], "ordering")
    g.nodes.append(helper.make_node("TopK", ["ordering", "limit"], ["best_ordering", "best"], axis=0, largest=1))
    for name, value in (("begin", begin), ("least", least), ("most", most)):
        g.constant(f"piece_{name}", value)
    g.add("Unsqueeze", ["best_ordering", one_axis], "best_column")
    g.add("Sub", ["best_column", "piece_begin"], "piece_raw")
    g.add("Max", ["piece_raw", "piece_least"], "piece_raised")
    g.add("Min", ["piece_raised", "piece_most"], "pieces")
    g.add("Mul", ["pieces", "rise_row"], "rises")
    g.add("ReduceSum", ["rises", one_axis], "risen", keepdims=0)
    g.add("Reshape", ["start_row", "flat"], "start")
    g.add("Add", ["risen", "start"], "curve")
    g.add("Sigmoid", ["curve"], "scores")
    g.strings("tag_names", tags)
    g.add("Gather", ["tag_names", "best"], "tags", axis=0)
    g.constant("tag_uses", np.array(uses, np.int64))
    g.add("Gather", ["tag_uses", "best"], "uses", axis=0)

    # Evidence: [n, limit], what each active feature adds to the logit of each of the best tags.
    g.strings("feature_names", vocabulary.names)
    g.add("Gather", ["feature_names", "feature"], "features", axis=0)
    g.add("Gather", ["output", "best"], "best_rows", axis=0)
    g.add("Transpose", ["best_rows"], "best_columns", perm=[1, 0])
    g.add("MatMul", ["rows", "best_columns"], "low_rank_unweighed")
    g.add("Unsqueeze", ["row_value", one_axis], "row_value_column")
    g.add("Mul", ["low_rank_unweighed", "row_value_column"], "low_rank_evidence")
    g.constant("axis_2", np.array([2], np.int64))
    g.add("Unsqueeze", ["wide_tag", "axis_2"], "wide_tag_3")
    g.add("Equal", ["wide_tag_3", "best"], "is_best")
    g.add("Cast", ["is_best"], "is_best_float", to=TensorProto.FLOAT)
    g.add("Unsqueeze", ["wide_added", one_axis], "wide_added_3")
    g.add("MatMul", ["wide_added_3", "is_best_float"], "wide_evidence_3")
    g.add("Squeeze", ["wide_evidence_3", one_axis], "wide_evidence")
    g.add("Add", ["low_rank_evidence", "wide_evidence"], "evidence")

    graph = helper.make_graph(
        g.nodes,
        "tagalong",
        [
            helper.make_tensor_value_info("title", TensorProto.STRING, [1]),
            helper.make_tensor_value_info("body", TensorProto.STRING, [1]),
            helper.make_tensor_value_info("limit", TensorProto.INT64, [1]),
        ],
        [
            helper.make_tensor_value_info("tags", TensorProto.STRING, ["limit"]),
            helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["limit"]),
            helper.make_tensor_value_info("uses", TensorProto.INT64, ["limit"]),
            helper.make_tensor_value_info("features", TensorProto.STRING, ["n"]),
            helper.make_tensor_value_info("values", TensorProto.FLOAT, ["n"]),
            helper.make_tensor_value_info("title_features", TensorProto.INT64, [1]),
            helper.make_tensor_value_info("evidence", TensorProto.FLOAT, ["n", "limit"]),
        ],
        g.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tagalong")
    helper.set_model_props(proto, {"tags": json.dumps(list(tags))})
    return bytes(proto.SerializeToString())


def _field(g: _Graph, field: str, pool: Sequence[str], idf: Floats) -> None:
    """Add the way from a field's text to its active features ``<field>_index`` and their values, each [n]."""
    by_length: list[list[int]] = [[] for _ in range(GRAMS)]
    for i, feature in enumerate(pool):
        by_length[feature.count(" ")].append(i)
    longest = max(i for i in range(GRAMS) if by_length[i])
    numbers = [i for of_length in by_length for i in of_length]
    flat = [word for i in numbers for word in pool[i].split(" ")]
    starts = np.cumsum([0, *(len(by_length[i]) * (i + 1) for i in range(longest))]).tolist()
    pieces = []
    for name, expression in (("words", WORD), ("parts", PART)):
        pieces.append(
            g.add(
                "Tokenizer",
                [field],
                f"{field}_{name}",
                domain="com.microsoft",
                mark=0,
                mincharnum=1,
                pad_value="",
                tokenexp=expression,
            )
        )
    g.add("Concat", [pieces[0], "apart", pieces[1]], f"{field}_pieces", axis=1)
    # Locale "C": ASCII letters only, the same everywhere. The default, en_US.UTF-8, is not on every machine.
    g.add(
        "StringNormalizer",
        [f"{field}_pieces"],
        f"{field}_lower",
        case_change_action="LOWER",
        is_case_sensitive=1,
        locale="C",
    )
    g.add(
        "TfIdfVectorizer",
        [f"{field}_lower"],
        f"{field}_counts",
        mode="TF",
        min_gram_length=1,
        max_gram_length=longest + 1,
        max_skip_count=0,
        ngram_counts=starts,
        ngram_indexes=numbers,
        pool_strings=flat,
    )
    g.constant(f"{field}_idf", idf)
    g.constant(f"{field}_flat", np.array([-1], np.int64))
    g.add("Reshape", [f"{field}_counts", f"{field}_flat"], f"{field}_counts_flat")
    g.add("NonZero", [f"{field}_counts_flat"], f"{field}_place")
    g.add("Reshape", [f"{field}_place", f"{field}_flat"], f"{field}_index")
    g.add("Gather", [f"{field}_counts_flat", f"{field}_index"], f"{field}_tf", axis=0)
    g.add("Log", [f"{field}_tf"], f"{field}_log_tf")
    g.add("Add", [f"{field}_log_tf", "one"], f"{field}_sublinear")
    g.add("Gather", [f"{field}_idf", f"{field}_index"], f"{field}_idf_active", axis=0)
    g.add("Mul", [f"{field}_sublinear", f"{field}_idf_active"], f"{field}_weighed")
    g.add("ReduceSumSquare", [f"{field}_weighed"], f"{field}_squares", keepdims=1)
    g.add("Add", [f"{field}_squares", "tiny"], f"{field}_squares_safe")
    g.add("Sqrt", [f"{field}_squares_safe"], f"{field}_length")
    g.add("Div", [f"{field}_weighed", f"{field}_length"], f"{field}_value")


def largest_difference(
    graph: bytes,
    vocabulary: Vocabulary,
    tags: Sequence[str],
    weights: train.Weights,
    calibration: Calibration,
    texts: Sequence[tuple[str, str]],
) -> float:
    """Give the largest difference of any tag's score between ONNX Runtime and the trainer, over (title, body) texts.

    Raises:
        ExportError: ONNX Runtime gives other features or evidence that does not add up to its own scores.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    counts = count(vocabulary, [title for title, _ in texts], [body for _, body in texts])
    x = weigh(counts, vocabulary)
    kind = kinds(x, vocabulary)
    expected = calibration.scores(calibration.order(train.logits(weights, x), kind), kind)
    names = vocabulary.names
    number = {tag: i for i, tag in enumerate(tags)}
    largest = 0.0
    for i, (title, body) in enumerate(texts):
        found, scores, features, evidence = session.run(
            ["tags", "scores", "features", "evidence"],
            {
                "title": np.array([title], object),
                "body": np.array([body], object),
                "limit": np.array([len(tags)], np.int64),
            },
        )
        active = [names[column] for column in np.sort(counts[i].indices)]
        if active != list(features):
            raise ExportError(f"ONNX Runtime sees other words than the trainer in {title[:80]!r}.")
        order = np.array([number[tag] for tag in found])
        largest = max(largest, float(np.abs(scores - expected[i][order]).max()))
        total = evidence.sum(axis=0) + weights.bias[order]
        ordering = total * calibration.slope[kind[i], order] + calibration.offset[kind[i], order]
        summed = calibration.scores(ordering[None], kind[i : i + 1])[0]
        largest = max(largest, float(np.abs(summed - scores).max()))
    return largest
