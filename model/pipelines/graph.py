"""A pipeline's graph: the same inputs and outputs as our own models', text in and tags with calibrated scores out.

    title, body → tokens → active features → (numeric steps →) the classifier's logits → Platt scaling → the best tags

It takes no chosen tags, and gives ``evidence`` only where a linear classifier reads the text's own features.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from onnx import ModelProto, TensorProto
from skl2onnx import __version__ as skl2onnx_version
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier

from model.pipelines.heads import LEAST, LinearHead, TreeHead
from model.pipelines.text_steps import Active, TextStep
from model.training.calibration import Calibration
from model.training.onnx_graph import OPSET, Value
from model.training.onnx_scores import add_kind, scale_logits, score_best
from model.training.onnx_text import ModelGraph, add_tokens

_ML: Final = {"ai.onnx.ml": 3}
_ENDS: Final = {"least": LEAST, "most": 1 - LEAST}
_PRINTED: Final = r"[^ \t\n\r]+"
"""A run of characters that are no white space: a body with one counts as a body."""


@dataclass(frozen=True, slots=True)
class PipelineParts:
    """What a fitted pipeline consists of; ``numeric`` is a pipeline of what is between text and classifier, or None."""

    text: TextStep
    numeric: Any | None
    head: LinearHead | TreeHead

    @property
    def explains(self) -> bool:
        """Whether the graph says what each word adds to each tag."""
        return self.numeric is None and isinstance(self.head, LinearHead) and self.text.features.lower_case

    def describe_conversion(self) -> list[str]:
        """Return in sentences how the pipeline becomes a graph, and what of it is put into other words."""
        lines = [f"{len(self.text.features.terms):,} features of the text by ONNX Runtime's own operators"]
        lines += self.text.replacements()
        if self.numeric is not None:
            lines.append(f"{', '.join(name for name, _ in self.numeric.steps)} by skl2onnx {skl2onnx_version}")
        if isinstance(self.head, TreeHead):
            return [*lines, f"{type(self.head.classifier).__name__} by skl2onnx {skl2onnx_version}"]
        members, _, tags = self.head.coefficients.shape
        folds = f" of {members} folds each" if members > 1 else ""
        return [
            *lines,
            f"{tags:,} linear models{folds} as one matrix, where skl2onnx would make some ten nodes of each",
        ]


def has_body(body: str) -> bool:
    """Return whether a prepared body has a character that is no white space."""
    return bool(body.strip(" \t\n\r"))


def export_pipeline(parts: PipelineParts, tags: Sequence[str], uses: Sequence[int], calibration: Calibration) -> bytes:
    """Return the graph as the bytes of an ONNX file."""
    g = ModelGraph()
    active = parts.text.add(g, "text")
    kind = add_kind(g, g.flatten(add_tokens(g, Value("body"), "printed", _PRINTED), "printed_flat"))
    rows = None
    if parts.numeric is None and isinstance(parts.head, LinearHead):
        logit, rows = _add_sparse_logit(g, parts.head, active)
    else:
        logit = _add_dense_logit(g, parts, active)
    ordering, _ = scale_logits(g, calibration, kind, logit)
    best = score_best(g, calibration, kind, ordering)
    g.gather(g.strings("tag_names", tags), best, name="tags")
    g.gather(g.constant("tag_uses", np.array(uses, np.int64)), best, name="uses")
    g.gather(g.strings("feature_names", parts.text.features.terms), active.index, name="features")
    inputs: dict[str, tuple[int, list[int | str]]] = {
        "title": (TensorProto.STRING, [1]),
        "body": (TensorProto.STRING, [1]),
        "limit": (TensorProto.INT64, [1]),
    }
    outputs: dict[str, tuple[int, list[int | str]]] = {
        "tags": (TensorProto.STRING, ["limit"]),
        "scores": (TensorProto.FLOAT, ["limit"]),
        "uses": (TensorProto.INT64, ["limit"]),
        "features": (TensorProto.STRING, ["n"]),
    }
    if parts.explains and rows is not None:
        _add_evidence(g, parts.text, active, rows, best)
        outputs |= {
            "values": (TensorProto.FLOAT, ["n"]),
            "title_features": (TensorProto.INT64, [1]),
            "evidence": (TensorProto.FLOAT, ["n", "limit"]),
        }
    return g.to_bytes("imported", inputs, outputs, {"tags": json.dumps(list(tags))}, _ML)


def _add_sparse_logit(g: ModelGraph, head: LinearHead, active: Active) -> tuple[Value, Value]:
    """Add the logit [tags], of which only the rows of active features are read; return what each feature adds, too.

    That is [n, tags], of several members the mean.
    """
    members, features, tags = head.coefficients.shape
    side_by_side = head.coefficients.transpose(1, 0, 2).reshape(features, members * tags)
    coefficients = g.constant("coefficients", np.ascontiguousarray(side_by_side))
    value = _binarize(g, head, active.value)
    rows = g.gather(coefficients, active.index, name="coefficient_rows")
    added = g.node("Mul", rows, g.column(g.cast(value, "active_values"), "active_column"), name="added")
    decision = g.node("ReduceSum", added, g.axis_0, name="decision", keepdims=0)
    shape = g.constant("member_rows", np.array([-1, members, tags], np.int64))
    by_member = g.node("Reshape", added, shape, name="added_by_member")
    mean = g.node("ReduceMean", by_member, g.axis_1, name="added_on_average", keepdims=0)
    return _add_members(g, head, decision), mean


def _binarize(g: ModelGraph, head: LinearHead, value: Value) -> Value:
    if head.binarize is None:
        return value
    threshold = g.constant("binarize_above", np.array([head.binarize]))
    above = g.node("Greater", value, threshold, name="is_above")
    return g.cast(above, "binary_value", TensorProto.DOUBLE)


def _add_members(g: ModelGraph, head: LinearHead, decision: Value) -> Value:
    """Add the intercepts to decisions [members · tags], and the logit of the members' mean probability: [tags]."""
    members, tags = head.intercepts.shape
    decision = g.node("Add", decision, g.constant("intercepts", head.intercepts.ravel()), name="decisions")
    if members == 1:
        return decision
    by_member = g.node(
        "Reshape", decision, g.constant("members_by_tags", np.array([members, tags], np.int64)), name="members"
    )
    wide = g.cast(by_member, "members_double", TensorProto.DOUBLE)
    mean = g.node("ReduceMean", g.node("Sigmoid", wide, name="member_scores"), g.axis_0, name="mean", keepdims=0)
    return _add_logit(g, mean)


def _add_logit(g: ModelGraph, probability: Value) -> Value:
    """Add the logits, float32, of probabilities, float64."""
    least, most = (g.constant(f"probability_{end}", np.array(value)) for end, value in _ENDS.items())
    clipped = g.node("Clip", probability, least, most, name="clipped")
    one = g.constant("probability_one", np.array([1.0]))
    odds = g.node("Div", clipped, g.node("Sub", one, clipped, name="other_probability"), name="odds")
    return g.cast(g.node("Log", odds, name="logit_double"), "logit")


def _add_dense_logit(g: ModelGraph, parts: PipelineParts, active: Active) -> Value:
    """Add all features as one row, [1, features], the numeric steps, and the classifier's logit [tags]."""
    width = len(parts.text.features.terms)
    zeros = g.constant("no_features", np.zeros(width, np.float32))
    values = g.cast(active.value, "active_values")
    flat = g.scatter(zeros, active.index, values, name="features_flat", reduction="none")
    x = g.node("Reshape", flat, g.constant("one_row", np.array([1, width], np.int64)), name="features_row")
    if parts.numeric is not None:
        x = g.include(_convert(parts.numeric, width), "numeric_", x)
        width = parts.numeric.transform(np.zeros((1, width), np.float32)).shape[1]
    if isinstance(parts.head, TreeHead):
        return _add_tree_logit(g, parts.head, x, width)
    members, features, tags = parts.head.coefficients.shape
    side_by_side = parts.head.coefficients.transpose(1, 0, 2).reshape(features, members * tags)
    row = _binarize(g, parts.head, g.cast(x, "classified_row", TensorProto.DOUBLE))
    coefficients = g.constant("coefficients", np.ascontiguousarray(side_by_side))
    decision = g.node("MatMul", g.cast(row, "classified_float"), coefficients, name="decision_row")
    return _add_members(g, parts.head, g.flatten(decision, "decision"))


def _add_tree_logit(g: ModelGraph, head: TreeHead, x: Value, width: int) -> Value:
    probabilities = g.include(_convert(head.classifier, width), "trees_", x)
    if type(head.classifier) is MultiOutputClassifier:
        probabilities = g.node("ConcatFromSequence", probabilities, name="both_classes", axis=0, new_axis=1)
    if type(head.classifier) is not OneVsRestClassifier:
        # Of each tag both classes, [tags, 1, 2].
        second = g.constant("second_class", np.array([1], np.int64))
        probabilities = g.node("Gather", probabilities, second, name="second_class_scores", axis=2)
    flat = g.flatten(probabilities, "tree_scores")
    return _add_logit(g, g.cast(flat, "tree_scores_double", TensorProto.DOUBLE))


def _convert(step: Any, width: int) -> ModelProto:
    """Convert a fitted step that takes ``width`` numbers by skl2onnx; its last output is what counts."""
    options = {"zipmap": False} if hasattr(step, "predict_proba") else None
    converted: ModelProto = convert_sklearn(
        step,
        initial_types=[("x", FloatTensorType([None, width]))],
        options={id(step): options} if options else None,
        target_opset={"": OPSET, **_ML},
    )
    return converted


def _add_evidence(g: ModelGraph, text: TextStep, active: Active, added: Value, best: Value) -> None:
    """Add ``values``, ``title_features`` and ``evidence``: what each feature adds to each of the best tags."""
    g.node("Gather", added, best, name="evidence", axis=1)
    # 0: a feature counts as it is. How the others would weigh more without it depends on the pipeline.
    as_it_is = g.cast(active.value, "values_float")
    g.node("Sub", as_it_is, as_it_is, name="values")
    of_title = g.constant("of_title", (~text.features.of_body).astype(np.int64))
    g.node(
        "ReduceSum", g.gather(of_title, active.index, name="is_of_title"), g.axis_0, name="title_features", keepdims=1
    )
