"""One ONNX graph from a raw title and body to tags with calibrated scores, and the check that it computes the same.

The graph uses ONNX Runtime's own operators only and takes one draft at a time:

    title [1], body [1] (strings) → words → counts → active features → tf-idf → Σ embedding rows → output matrix
    → + direct weights (+ mean state · dense) → Platt scaling → + names found + what chosen tags say
    → the best ``limit`` tags → calibrated sigmoid

Inputs: ``title``, ``body``: string [1]; ``limit``: int64 [1], from 1 to the number of tags; ``chosen``: int64 [any],
the numbers of the tags that the writer has chosen; in the full tier ``states``: float [tokens, width], what the encoder
makes of the draft.
Outputs: ``tags``: string [limit], ``scores``: float [limit], ``uses``: int64 [limit], ``features``: string [n], the
active features by their words, the title's first, and in each field names found after the others; ``values``: float
[n], their weights in the draft, 0 for a name, which is no part of its field's length; ``title_features``: int64 [1],
how many are the title's; ``evidence``: float [n, limit], what each feature adds to each tag's logit; in the full tier
``state_evidence``: float [tokens, limit], whose mean over the tokens is what the encoder adds.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model.runs.arrays import Floats
from model.serving.encoder import EncoderSession
from model.serving.text import NAME_PART, PART, SEPARATOR, WORD
from model.training import train
from model.training.calibration import Calibration, knots_and_ends
from model.training.cooccurrence import Together
from model.training.tag_names import FAR, Names, Naming
from model.training.tfidf import Vocabulary, count, kinds, weigh

_OPSET: Final = 18
_IR_VERSION: Final = 9
_BLOCK: Final = 64
"""Counts that are looked at together."""
_NO_WORD: Final = "\t"
"""No word can be this."""
_NEVER: Final = "\t\t"
"""Stands where a field has no feature at all: the operator needs one."""


class ExportError(Exception):
    """The exported graph does not compute what the trainer computes."""


@dataclass(frozen=True, slots=True)
class Quantised:
    """Weights with 8-bit rows: value = integer · scale of its row.

    ``embedding`` int8 [words, rank], ``wide`` int8 [features, k], ``output`` int8 [tags, rank] and ``dense`` int8
    [tags, width] (turned, since a tag's row is what evidence needs); scales are float32, one a row.
    """

    embedding: NDArray[np.int8]
    embedding_scale: Floats
    wide: NDArray[np.int8]
    wide_scale: Floats
    wide_tags: NDArray[np.int32]
    output: NDArray[np.int8]
    output_scale: Floats
    dense: NDArray[np.int8]
    dense_scale: Floats
    bias: Floats

    def weights(self) -> train.Weights:
        """Give the rounded numbers back as the trainer's float32 weights."""
        return train.Weights(
            embedding=self.embedding * self.embedding_scale[:, None],
            output=np.ascontiguousarray((self.output * self.output_scale[:, None]).T),
            bias=self.bias,
            wide=self.wide * self.wide_scale[:, None],
            wide_tags=self.wide_tags,
            dense=np.ascontiguousarray((self.dense * self.dense_scale[:, None]).T),
        )


def quantise(weights: train.Weights) -> Quantised:
    """Round weights to 8 bits a number, each row by its largest."""
    embedding, embedding_scale = _rows_as_int8(weights.embedding)
    wide, wide_scale = _rows_as_int8(weights.wide)
    output, output_scale = _rows_as_int8(np.ascontiguousarray(weights.output.T))
    dense, dense_scale = _rows_as_int8(np.ascontiguousarray(weights.dense.T))
    return Quantised(
        embedding,
        embedding_scale,
        wide,
        wide_scale,
        weights.wide_tags,
        output,
        output_scale,
        dense,
        dense_scale,
        weights.bias,
    )


def _rows_as_int8(matrix: Floats) -> tuple[NDArray[np.int8], Floats]:
    scale = np.maximum(np.abs(matrix).max(axis=1, initial=0), 1e-12).astype(np.float32) / np.float32(127)
    return np.rint(matrix / scale[:, None]).astype(np.int8), scale


class Graph:
    """Nodes and constants of a graph, added one after the other."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant; give its name."""
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def strings(self, name: str, values: Sequence[str]) -> str:
        """Add a constant of strings; give its name."""
        self.constants.append(numpy_helper.from_array(np.array(values, dtype=object), name))
        return name

    def add(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output; give the output's name."""
        self.nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def rows(self, name: str, integers: NDArray[np.int8], scale: Floats) -> str:
        """Add a matrix of 8-bit rows as float32: computed from constants once, when the session is made."""
        self.constant(f"{name}_int8", integers)
        self.constant(f"{name}_scale", scale[:, None])
        self.add("Cast", [f"{name}_int8"], f"{name}_float", to=TensorProto.FLOAT)
        return self.add("Mul", [f"{name}_float", f"{name}_scale"], name)


def build(
    vocabulary: Vocabulary,
    tags: Sequence[str],
    uses: Sequence[int],
    model: Quantised,
    calibration: Calibration,
    naming: Naming,
    together: Together,
    about: Mapping[str, str],
) -> bytes:
    """Build the graph as the bytes of an ONNX file.

    Args:
        tags: the learned ones, then those known by name alone; ``uses`` and ``calibration`` are of all.
        about: what its metadata says beside the tags in the model's order, such as which encoder it is for.
    """
    g = Graph()
    g.constant("axis_0", np.array([0], np.int64))
    g.constant("axis_1", np.array([1], np.int64))
    g.constant("axis_2", np.array([2], np.int64))
    g.constant("flat", np.array([-1], np.int64))
    g.constant("blocks", np.array([-1, _BLOCK], np.int64))
    g.constant("block", np.array([_BLOCK], np.int64))
    # A field without any known word has length 0; what it has, nothing, is divided by a little more than that.
    g.constant("tiny", np.array([1e-12], np.float32))
    g.constant("one", np.array([1], np.float32))
    g.constant("apart", np.array([[SEPARATOR]], dtype=object))
    width = model.dense.shape[1]

    _active_features(g, vocabulary)
    _low_rank(g, vocabulary, model)
    logit = _wide(g, model, "low_rank")
    if width:
        logit = _dense(g, model, logit)
    if naming.rare:
        g.constant("rare_start", np.full(naming.rare, naming.start, np.float32))
        logit = g.add("Concat", [logit, "rare_start"], "padded_logit", axis=0)
    ordering = _names(g, naming, _order(g, calibration, logit))
    ordering = _chosen(g, together, ordering)
    _scores(g, calibration, ordering)
    g.strings("tag_names", tags)
    g.add("Gather", ["tag_names", "best"], "tags", axis=0)
    g.constant("tag_uses", np.array(uses, np.int64))
    g.add("Gather", ["tag_uses", "best"], "uses", axis=0)
    _evidence(g, vocabulary, naming)

    inputs: list[tuple[str, int, list[int | str]]] = [
        ("title", TensorProto.STRING, [1]),
        ("body", TensorProto.STRING, [1]),
        ("limit", TensorProto.INT64, [1]),
        ("chosen", TensorProto.INT64, ["chosen_tags"]),
    ]
    outputs: list[tuple[str, int, list[int | str]]] = [
        ("tags", TensorProto.STRING, ["limit"]),
        ("scores", TensorProto.FLOAT, ["limit"]),
        ("uses", TensorProto.INT64, ["limit"]),
        ("features", TensorProto.STRING, ["n"]),
        ("values", TensorProto.FLOAT, ["n"]),
        ("title_features", TensorProto.INT64, [1]),
        ("evidence", TensorProto.FLOAT, ["n", "limit"]),
    ]
    if width:
        _state_evidence(g)
        inputs.append(("states", TensorProto.FLOAT, ["tokens", width]))
        outputs.append(("state_evidence", TensorProto.FLOAT, ["tokens", "limit"]))
    graph = helper.make_graph(
        g.nodes,
        "tagalong",
        [helper.make_tensor_value_info(*of) for of in inputs],
        [helper.make_tensor_value_info(*of) for of in outputs],
        g.constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tagalong")
    helper.set_model_props(proto, {"tags": json.dumps(list(tags)), **about})
    return bytes(proto.SerializeToString())


def _active_features(g: Graph, vocabulary: Vocabulary) -> None:
    """Add the way from both texts to ``feature``, the numbers of the active features, and ``values``, each [n]."""
    titles, of_title = vocabulary.runs + vocabulary.title, vocabulary.of_title
    for field, pool, idf in (
        ("title", titles, vocabulary.idf[:of_title]),
        ("body", vocabulary.body, vocabulary.idf[of_title:]),
    ):
        _field(g, field, pool or [_NEVER], idf if pool else np.ones(1, np.float32))
    g.constant("of_title", np.array([of_title], np.int64))
    g.add("Add", ["body_index", "of_title"], "body_feature")
    g.add("Concat", ["title_index", "body_feature"], "feature", axis=0)
    g.add("Concat", ["title_value", "body_value"], "word_values", axis=0)


def _low_rank(g: Graph, vocabulary: Vocabulary, model: Quantised) -> None:
    """Add ``low_rank`` [tags]: rows of active features, weighed, summed, times the output matrix, and the bias."""
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
    g.add("Mul", ["word_values", "row_scale"], "row_value")
    g.add("Unsqueeze", ["row_value", "axis_0"], "row_values")
    g.add("MatMul", ["row_values", "rows"], "hidden")
    g.rows("output", model.output, model.output_scale)
    g.constant("bias", model.bias)
    g.add("Gemm", ["hidden", "output", "bias"], "low_rank_row", transB=1)
    g.add("Reshape", ["low_rank_row", "flat"], "low_rank")


def _wide(g: Graph, model: Quantised, logit: str) -> str:
    """Add each active feature's direct weights at its tags; give the name of the new logit [tags]."""
    g.constant("wide", model.wide)
    g.constant("wide_scale", model.wide_scale)
    g.constant("wide_tags", model.wide_tags.astype(np.int16 if len(model.bias) < 2**15 else np.int32))
    g.add("Gather", ["wide", "feature"], "wide_int8", axis=0)
    g.add("Cast", ["wide_int8"], "wide_float", to=TensorProto.FLOAT)
    g.add("Gather", ["wide_scale", "feature"], "wide_row_scale", axis=0)
    g.add("Mul", ["word_values", "wide_row_scale"], "wide_value")
    g.add("Unsqueeze", ["wide_value", "axis_1"], "wide_values")
    g.add("Mul", ["wide_float", "wide_values"], "wide_added")
    g.add("Gather", ["wide_tags", "feature"], "wide_tag_short", axis=0)
    g.add("Cast", ["wide_tag_short"], "wide_tag", to=TensorProto.INT64)
    g.add("Reshape", ["wide_added", "flat"], "wide_added_flat")
    g.add("Reshape", ["wide_tag", "flat"], "wide_tag_flat")
    return g.add(
        "ScatterElements", [logit, "wide_tag_flat", "wide_added_flat"], "sparse_logit", axis=0, reduction="add"
    )


def _dense(g: Graph, model: Quantised, logit: str) -> str:
    """Add the encoder's part: the mean of the tokens' states, times a matrix; give the name of the new logit."""
    g.rows("dense", model.dense, model.dense_scale)
    g.add("ReduceMean", ["states", "axis_0"], "state", keepdims=1)
    g.add("Gemm", ["state", "dense", logit], "with_dense", transB=1)
    return g.add("Reshape", ["with_dense", "flat"], "logit")


def _order(g: Graph, calibration: Calibration, logit: str) -> str:
    """Add Platt scaling by ``kind`` of draft, with or without a known word in the body; give what orders the tags."""
    g.constant("second_kind", np.array([1], np.int64))
    g.add("Shape", ["body_value"], "body_features")
    g.add("Min", ["body_features", "second_kind"], "kind")
    for name, value in (("slope", calibration.slope), ("offset", calibration.offset)):
        g.constant(f"{name}_by_kind", value)
        g.add("Gather", [f"{name}_by_kind", "kind"], f"{name}_row", axis=0)
        g.add("Reshape", [f"{name}_row", "flat"], name)
    g.add("Mul", [logit, "slope"], "sloped")
    return g.add("Add", ["sloped", "offset"], "ordering")


def _names(g: Graph, naming: Naming, ordering: str) -> str:
    """Add what the names found in both fields say; give the name of the new ordering [tags]."""
    g.constant("lacks", np.repeat(np.array([0, -FAR], np.float32), [naming.learned, naming.rare]))
    raised = ordering
    for field, names in (("title", naming.title), ("body", naming.body)):
        _found_names(g, field, names)
        # Under every claim: a tag that is not named is not moved.
        g.add("Shape", [ordering], f"{field}_tag_count")
        nothing = helper.make_tensor("nothing", TensorProto.FLOAT, [1], [-1e9])
        g.add("ConstantOfShape", [f"{field}_tag_count"], f"{field}_no_claim", value=nothing)
        g.add(
            "ScatterElements",
            [f"{field}_no_claim", f"{field}_named_tag", f"{field}_claim"],
            f"{field}_claimed",
            axis=0,
            reduction="max",
        )
        g.add("Sub", [f"{field}_claimed", ordering], f"{field}_gap")
        g.add("Relu", [f"{field}_gap"], f"{field}_up")
        g.constant(f"{field}_pull", np.array([names.pull], np.float32))
        g.add("Mul", [f"{field}_up", f"{field}_pull"], f"{field}_pulled")
        raised = g.add("Add", [raised, f"{field}_pulled"], f"{field}_raised")
    g.add("Concat", ["title_named_tag", "body_named_tag"], "named_tag", axis=0)
    g.add("Concat", ["title_no_value", "body_no_value"], "named_no_value", axis=0)
    g.add("ScatterElements", ["lacks", "named_tag", "named_no_value"], "lacking", axis=0, reduction="max")
    return g.add("Add", [raised, "lacking"], "named_ordering")


def _found_names(g: Graph, field: str, names: Names) -> None:
    """Add the spellings found in a field: ``<field>_spelling``, their tags, claims, and as many zeros, each [n]."""
    pool = names.spellings or (_NEVER,)
    parts = _tokens(g, field, f"{field}_name_parts", NAME_PART)
    _counts(g, _lower(g, f"{field}_name_lower", f"{field}_words", parts), f"{field}_name", pool)
    for name, value in (
        ("tag_of_name", names.tags if names.spellings else np.zeros(1, np.int64)),
        ("claim_of_name", names.claims if names.spellings else np.zeros(1, np.float32)),
    ):
        g.constant(f"{field}_{name}", value)
    g.add("Gather", [f"{field}_tag_of_name", f"{field}_name_index"], f"{field}_named_tag", axis=0)
    g.add("Gather", [f"{field}_claim_of_name", f"{field}_name_index"], f"{field}_claim", axis=0)
    g.add("Sub", [f"{field}_claim", f"{field}_claim"], f"{field}_no_value")
    g.strings(f"{field}_spellings", pool)
    g.add("Gather", [f"{field}_spellings", f"{field}_name_index"], f"{field}_spelling", axis=0)


def _chosen(g: Graph, together: Together, ordering: str) -> str:
    """Add what the chosen tags say at their partners; give the name of the new ordering [tags]."""
    # Most tags say nothing: they share row 0, which is all 0.
    speaks = together.says.any(axis=1)
    says, scale = _rows_as_int8(np.pad(together.says[speaks], ((1, 0), (0, 0))))
    g.constant("row_of_chosen", np.where(speaks, np.cumsum(speaks), 0).astype(np.int32))
    g.constant("says", says)
    g.constant("says_scale", scale)
    partners = np.pad(together.partners[speaks], ((1, 0), (0, 0)))
    g.constant("partners", partners.astype(np.int16 if len(together.says) < 2**15 else np.int32))
    g.add("Gather", ["row_of_chosen", "chosen"], "chosen_row", axis=0)
    g.add("Gather", ["says", "chosen_row"], "said_int8", axis=0)
    g.add("Cast", ["said_int8"], "said_float", to=TensorProto.FLOAT)
    g.add("Gather", ["says_scale", "chosen_row"], "said_scale", axis=0)
    g.add("Unsqueeze", ["said_scale", "axis_1"], "said_scales")
    g.add("Mul", ["said_float", "said_scales"], "said_rows")
    g.add("Reshape", ["said_rows", "flat"], "said")
    g.add("Gather", ["partners", "chosen_row"], "partner_short", axis=0)
    g.add("Cast", ["partner_short"], "partner_rows", to=TensorProto.INT64)
    g.add("Reshape", ["partner_rows", "flat"], "partner")
    g.constant("less", np.array([together.less], np.float32))
    g.add("Shape", ["chosen"], "chosen_count")
    g.add("Cast", ["chosen_count"], "chosen_count_float", to=TensorProto.FLOAT)
    g.add("Mul", ["chosen_count_float", "less"], "lowered")
    g.add("Sub", [ordering, "lowered"], "lowered_ordering")
    return g.add("ScatterElements", ["lowered_ordering", "partner", "said"], "chosen_ordering", axis=0, reduction="add")


def _scores(g: Graph, calibration: Calibration, ordering: str) -> None:
    """Add ``best`` [limit], the numbers of the best tags, and their ``scores``: the curve turns values into scores."""
    g.nodes.append(helper.make_node("TopK", [ordering, "limit"], ["best_ordering", "best"], axis=0, largest=1))
    begin, least, most = knots_and_ends()
    for name, value in (("rise", calibration.rise), ("start", calibration.start[:, None])):
        g.constant(f"{name}_by_kind", value)
        g.add("Gather", [f"{name}_by_kind", "kind"], f"{name}_row", axis=0)
    for name, value in (("begin", begin), ("least", least), ("most", most)):
        g.constant(f"piece_{name}", value)
    g.add("Unsqueeze", ["best_ordering", "axis_1"], "best_column")
    g.add("Sub", ["best_column", "piece_begin"], "piece_raw")
    g.add("Max", ["piece_raw", "piece_least"], "piece_raised")
    g.add("Min", ["piece_raised", "piece_most"], "pieces")
    g.add("Mul", ["pieces", "rise_row"], "rises")
    g.add("ReduceSum", ["rises", "axis_1"], "risen", keepdims=0)
    g.add("Reshape", ["start_row", "flat"], "start")
    g.add("Add", ["risen", "start"], "curve")
    g.add("Sigmoid", ["curve"], "scores")


def _evidence(g: Graph, vocabulary: Vocabulary, naming: Naming) -> None:
    """Add ``features`` by their words and ``evidence`` [n, limit]: what each adds to each of the best tags' logits."""
    g.strings("feature_names", vocabulary.names)
    # A tag that is known by name alone has no row: it borrows the last one, and gets nothing from it.
    g.constant("last_learned", np.array([naming.learned - 1], np.int64))
    g.add("Min", ["best", "last_learned"], "best_learned")
    g.add("Equal", ["best", "best_learned"], "is_learned")
    g.add("Cast", ["is_learned"], "is_learned_float", to=TensorProto.FLOAT)
    g.add("Gather", ["output", "best_learned"], "best_rows", axis=0)
    g.add("Transpose", ["best_rows"], "best_columns", perm=[1, 0])
    g.add("MatMul", ["rows", "best_columns"], "low_rank_borrowed")
    g.add("Mul", ["low_rank_borrowed", "is_learned_float"], "low_rank_unweighed")
    g.add("Unsqueeze", ["row_value", "axis_1"], "row_value_column")
    g.add("Mul", ["low_rank_unweighed", "row_value_column"], "low_rank_evidence")
    g.add("Unsqueeze", ["wide_tag", "axis_2"], "wide_tag_3")
    g.add("Equal", ["wide_tag_3", "best"], "is_best")
    g.add("Cast", ["is_best"], "is_best_float", to=TensorProto.FLOAT)
    g.add("Unsqueeze", ["wide_added", "axis_1"], "wide_added_3")
    g.add("MatMul", ["wide_added_3", "is_best_float"], "wide_evidence_3")
    g.add("Squeeze", ["wide_evidence_3", "axis_1"], "wide_evidence")
    g.add("Add", ["low_rank_evidence", "wide_evidence"], "word_evidence")
    g.add("Shape", ["title_value"], "title_word_count")
    g.add("Shape", ["word_values"], "all_words")
    g.add("Slice", ["word_evidence", "axis_0", "title_word_count"], "title_word_evidence")
    g.add("Slice", ["word_evidence", "title_word_count", "all_words"], "body_word_evidence")
    g.add("Gather", ["slope", "best"], "best_slope", axis=0)
    for field, index in (("title", "title_index"), ("body", "body_feature")):
        g.add("Gather", ["feature_names", index], f"{field}_word_names", axis=0)
        _name_evidence(g, field)
    for output, parts in (
        ("features", ("word_names", "spelling")),
        ("values", ("value", "no_value")),
        ("evidence", ("word_evidence", "name_evidence")),
    ):
        g.add("Concat", [f"{field}_{part}" for field in ("title", "body") for part in parts], output, axis=0)
    g.add("Concat", ["title_value", "title_no_value"], "title_values", axis=0)
    g.add("Shape", ["title_values"], "title_features")


def _name_evidence(g: Graph, field: str) -> None:
    """Add what each name found in a field adds to the best tags' logits: the one with the highest claim pulls."""
    g.add("Unsqueeze", [f"{field}_named_tag", "axis_1"], f"{field}_named_column")
    g.add("Equal", [f"{field}_named_column", "best"], f"{field}_names_best")
    g.add("Gather", [f"{field}_claimed", "best"], f"{field}_best_claim", axis=0)
    g.add("Unsqueeze", [f"{field}_claim", "axis_1"], f"{field}_claim_column")
    g.add("Equal", [f"{field}_claim_column", f"{field}_best_claim"], f"{field}_claims_most")
    g.add("And", [f"{field}_names_best", f"{field}_claims_most"], f"{field}_pulls")
    g.add("Cast", [f"{field}_pulls"], f"{field}_pulls_float", to=TensorProto.FLOAT)
    # Two spellings with the same claim share what they add.
    g.add("ReduceSum", [f"{field}_pulls_float", "axis_0"], f"{field}_pulling", keepdims=1)
    g.add("Max", [f"{field}_pulling", "one"], f"{field}_pulling_safe")
    g.add("Div", [f"{field}_pulls_float", f"{field}_pulling_safe"], f"{field}_pull_share")
    g.add("Gather", [f"{field}_pulled", "best"], f"{field}_best_pulled", axis=0)
    g.add("Div", [f"{field}_best_pulled", "best_slope"], f"{field}_best_added")
    g.add("Mul", [f"{field}_pull_share", f"{field}_best_added"], f"{field}_name_evidence")


def _state_evidence(g: Graph) -> None:
    """Add ``state_evidence`` [tokens, limit]: each token's state times the best tags' rows; their mean is the part."""
    g.add("Gather", ["dense", "best_learned"], "best_dense_rows", axis=0)
    g.add("Transpose", ["best_dense_rows"], "best_dense_columns", perm=[1, 0])
    g.add("MatMul", ["states", "best_dense_columns"], "state_evidence_borrowed")
    g.add("Mul", ["state_evidence_borrowed", "is_learned_float"], "state_evidence")


def _field(g: Graph, field: str, pool: Sequence[str], idf: Floats) -> None:
    """Add the way from a field's text to its active features ``<field>_index`` and their values, each [n]."""
    words = _tokens(g, field, f"{field}_words", WORD)
    _lower(g, f"{field}_lower", words, _tokens(g, field, f"{field}_parts", PART))
    _counts(g, f"{field}_lower", field, pool)
    g.constant(f"{field}_idf", idf)
    g.add("Gather", [f"{field}_counts_flat", f"{field}_index"], f"{field}_tf", axis=0)
    g.add("Log", [f"{field}_tf"], f"{field}_log_tf")
    g.add("Add", [f"{field}_log_tf", "one"], f"{field}_sublinear")
    g.add("Gather", [f"{field}_idf", f"{field}_index"], f"{field}_idf_active", axis=0)
    g.add("Mul", [f"{field}_sublinear", f"{field}_idf_active"], f"{field}_weighed")
    g.add("ReduceSumSquare", [f"{field}_weighed"], f"{field}_squares", keepdims=1)
    g.add("Add", [f"{field}_squares", "tiny"], f"{field}_squares_safe")
    g.add("Sqrt", [f"{field}_squares_safe"], f"{field}_length")
    g.add("Div", [f"{field}_weighed", f"{field}_length"], f"{field}_value")


def _tokens(g: Graph, text: str, name: str, expression: str) -> str:
    """Add the matches of an expression in a text: [1, n]."""
    return g.add(
        "Tokenizer", [text], name, domain="com.microsoft", mark=0, mincharnum=1, pad_value="", tokenexp=expression
    )


def _lower(g: Graph, name: str, words: str, parts: str) -> str:
    """Add words, ``SEPARATOR`` and parts in one row, in lower case."""
    g.add("Concat", [words, "apart", parts], f"{name}_cased", axis=1)
    # Locale "C": ASCII letters only, the same everywhere. The default, en_US.UTF-8, is not on every machine.
    return g.add(
        "StringNormalizer", [f"{name}_cased"], name, case_change_action="LOWER", is_case_sensitive=1, locale="C"
    )


def _counts(g: Graph, pieces: str, name: str, pool: Sequence[str]) -> None:
    """Add which runs of words of a pool are in a text: ``<name>_index`` [n], rising, of ``<name>_counts_flat``."""
    by_length: list[list[int]] = [[] for _ in range(1 + max(run.count(" ") for run in pool))]
    for i, run in enumerate(pool):
        by_length[run.count(" ")].append(i)
    # One word more, which is in no text, makes the counts a whole number of blocks.
    last = (len(pool) // _BLOCK + 1) * _BLOCK - 1
    words = [[*(pool[i] for i in by_length[0]), _NO_WORD], *([pool[i] for i in of] for of in by_length[1:])]
    sizes = [len(of) * (length + 1) for length, of in enumerate(words[:-1])]
    g.add(
        "TfIdfVectorizer",
        [pieces],
        f"{name}_counts",
        mode="TF",
        min_gram_length=1,
        max_gram_length=len(words),
        max_skip_count=0,
        ngram_counts=np.cumsum([0, *sizes]).tolist(),
        ngram_indexes=[*by_length[0], last, *(i for of in by_length[1:] for i in of)],
        pool_strings=[word for of in words for run in of for word in run.split(" ")],
    )
    # Nearly all counts are 0. First the blocks with others are found, then the places in them: NonZero is slow.
    g.add("Reshape", [f"{name}_counts", "flat"], f"{name}_counts_flat")
    g.add("Reshape", [f"{name}_counts", "blocks"], f"{name}_blocks")
    g.add("ReduceMax", [f"{name}_blocks", "axis_1"], f"{name}_most", keepdims=0)
    g.add("NonZero", [f"{name}_most"], f"{name}_used_row")
    g.add("Reshape", [f"{name}_used_row", "flat"], f"{name}_used")
    g.add("Gather", [f"{name}_blocks", f"{name}_used"], f"{name}_used_blocks", axis=0)
    g.add("NonZero", [f"{name}_used_blocks"], f"{name}_places")
    g.add("Split", [f"{name}_places"], f"{name}_place_row", axis=0, num_outputs=2)
    g.nodes[-1].output.append(f"{name}_place_in_row")
    g.add("Reshape", [f"{name}_place_row", "flat"], f"{name}_place")
    g.add("Reshape", [f"{name}_place_in_row", "flat"], f"{name}_place_in_block")
    g.add("Gather", [f"{name}_used", f"{name}_place"], f"{name}_block", axis=0)
    g.add("Mul", [f"{name}_block", "block"], f"{name}_block_start")
    g.add("Add", [f"{name}_block_start", f"{name}_place_in_block"], f"{name}_index")


def largest_difference(
    graph: bytes,
    vocabulary: Vocabulary,
    tags: Sequence[str],
    weights: train.Weights,
    calibration: Calibration,
    naming: Naming,
    encoder: EncoderSession | None,
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
    states = [encoder.encode(title, body)[1] if encoder else np.zeros((1, 0), np.float32) for title, body in texts]
    means = np.stack([of.mean(axis=0) for of in states])
    logits = naming.padded(train.logits(weights, x, means))
    named = naming.find(texts)
    expected = calibration.scores(naming.added(calibration.order(logits, kind), named), kind)
    bias = naming.padded(weights.bias[None])[0]
    names = vocabulary.names
    number = {tag: i for i, tag in enumerate(tags)}
    largest = 0.0
    for i, (title, body) in enumerate(texts):
        draft: dict[str, NDArray[Any]] = {
            "title": np.array([title], object),
            "body": np.array([body], object),
            "limit": np.array([len(tags)], np.int64),
            "chosen": np.zeros(0, np.int64),
        }
        outputs = ["tags", "scores", "features", "evidence"]
        if encoder is not None:
            draft["states"] = states[i]
            outputs.append("state_evidence")
        found, scores, features, evidence, *of_states = session.run(outputs, draft)
        columns = np.sort(counts[i].indices)
        of_title = columns < vocabulary.of_title
        active = [names[column] for column in columns[of_title]]
        active += [naming.title.spellings[number] for number in named[i][0]]
        active += [names[column] for column in columns[~of_title]]
        active += [naming.body.spellings[number] for number in named[i][1]]
        if active != list(features):
            raise ExportError(f"ONNX Runtime sees other words than the trainer in {title[:80]!r}.")
        order = np.array([number[tag] for tag in found])
        largest = max(largest, float(np.abs(scores - expected[i][order]).max()))
        total = evidence.sum(axis=0) + bias[order] + sum(part.mean(axis=0) for part in of_states)
        ordering = total * calibration.slope[kind[i], order] + calibration.offset[kind[i], order]
        summed = calibration.scores(ordering[None], kind[i : i + 1])[0]
        # What no name has called lacks what no feature takes away.
        called = {
            int(of.tags[n])
            for of, found_in in zip((naming.title, naming.body), named[i], strict=True)
            for n in found_in
        }
        explained = (order < naming.learned) | np.isin(order, list(called))
        largest = max(largest, float(np.abs(summed - scores)[explained].max()))
    return largest
