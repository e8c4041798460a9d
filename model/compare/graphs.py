"""ONNX graphs put together from parts: what skl2onnx converts exactly, and one matrix where it would make thousands.

Where skl2onnx is not exact or not usable (seen with 1.20): it replaces scikit-learn's default token pattern, damps
counts by another formula, and turns one-vs-rest into ten nodes a label. So patterns are given, counts are not damped,
and all labels' weights are stacked into one matrix, all labels' trees into one ensemble.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer

from model.runs.arrays import Floats

_OPSETS: Final = {"": 18, "ai.onnx.ml": 3, "com.microsoft": 1}
_IR_VERSION: Final = 9
_KINDS: Final[dict[str, tuple[int, list[int | str]]]] = {
    "string": (TensorProto.STRING, [1]),
    "tokens": (TensorProto.INT64, ["n"]),
    "features": (TensorProto.FLOAT, [1, "features"]),
}


class GraphBuilder:
    """Nodes and constants of a graph, from whole graphs and single nodes."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def add(self, model: onnx.ModelProto, prefix: str) -> str:
        """Add a graph, its inner names prefixed and its inputs as they are; return the name of its output."""
        if prefix:
            model = compose.add_prefix(model, prefix, rename_inputs=False)
        self._nodes += model.graph.node
        self._constants += model.graph.initializer
        return str(model.graph.output[0].name)

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Add a constant."""
        self._constants.append(numpy_helper.from_array(value, name))
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output."""
        self._nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def sparse_product(self, row: str, matrix: str, output: str) -> str:
        """Multiply one row, [1, n], that is mostly 0, by a matrix: only the matrix's rows that count are read."""
        self.constant(f"{output}_second", np.array(1, np.int64))
        self.node("NonZero", [row], f"{output}_places")
        self.node("Gather", [f"{output}_places", f"{output}_second"], f"{output}_columns", axis=0)
        self.node("Gather", [row, f"{output}_columns"], f"{output}_values", axis=1)
        self.node("Gather", [matrix, f"{output}_columns"], f"{output}_rows", axis=0)
        return self.node("MatMul", [f"{output}_values", f"{output}_rows"], output)

    def model(self, inputs: Mapping[str, str], outputs: Mapping[str, int]) -> onnx.ModelProto:
        """Make the model: names of inputs with their kinds, names of outputs, float [1, n], with their n."""
        graph = helper.make_graph(
            self._nodes,
            "compared",
            [helper.make_tensor_value_info(name, *_KINDS[kind]) for name, kind in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, n]) for name, n in outputs.items()],
            self._constants,
        )
        opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
        model: onnx.ModelProto = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tagalong"
        )
        return model


def convert_vectorizer(vectorizer: TfidfVectorizer, field: str) -> onnx.ModelProto:
    """Convert a vectorizer that takes one text, the input ``field``."""
    pattern = vectorizer.token_pattern
    assert pattern is not None
    converted: onnx.ModelProto = convert_sklearn(
        vectorizer,
        initial_types=[(field, StringTensorType([1]))],
        options={id(vectorizer): {"tokenexp": pattern}},
        target_opset=_OPSETS,
    )
    return converted


def build_linear_head(coefficients: Floats, intercepts: Floats, *, sparse_features: bool) -> onnx.ModelProto:
    """Return all tags' logistic regressions as one matrix: ``features`` [1, n] → ``scores`` [1, tags].

    Args:
        coefficients: [features, tags].
        intercepts: [tags].
    """
    parts = GraphBuilder()
    parts.constant("coefficients", coefficients)
    parts.constant("intercepts", intercepts)
    if sparse_features:
        parts.sparse_product("features", "coefficients", "product")
    else:
        parts.node("MatMul", ["features", "coefficients"], "product")
    parts.node("Add", ["product", "intercepts"], "logits")
    parts.node("Sigmoid", ["logits"], "scores")
    return parts.model({"features": "features"}, {"scores": coefficients.shape[1]})


class Trees:
    """Trees of many models as one ``TreeEnsembleRegressor`` with a target a tag."""

    def __init__(self, tags: int) -> None:
        self._tags = tags
        self._nodes: dict[str, list[Any]] = {}
        self._leaves: dict[str, list[Any]] = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
        self._trees = 0

    def add_forest(self, forest: RandomForestRegressor, features: NDArray[np.int64]) -> None:
        """Add a forest with a target a tag, as skl2onnx converts it; ``features`` are the ones that it sees."""
        initial_types = [("x", FloatTensorType([1, len(features)]))]
        converted = convert_sklearn(forest, initial_types=initial_types, target_opset=_OPSETS)
        (node,) = [node for node in converted.graph.node if node.op_type == "TreeEnsembleRegressor"]
        attributes = {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}
        attributes["nodes_featureids"] = features[attributes["nodes_featureids"]].tolist()
        for name, values in attributes.items():
            if name.startswith("nodes_"):
                self._nodes.setdefault(name, []).extend(values)
        leaves = {name: np.asarray(attributes[f"target_{name}"]) for name in self._leaves}
        # Nearly all of a leaf's tags have weight 0. The first stays, so that no leaf is without a target.
        has_weight = leaves["weights"] != 0
        has_weight[np.unique(np.column_stack([leaves["treeids"], leaves["nodeids"]]), axis=0, return_index=True)[1]] = (
            True
        )
        for name, values in leaves.items():
            self._leaves[name] += values[has_weight].tolist()
        self._trees += len(set(attributes["nodes_treeids"]))

    def add_boosted(self, model: HistGradientBoostingClassifier, features: NDArray[np.int64], tag: int) -> float:
        """Add the trees of a tag's boosted model; return what their sum starts from.

        skl2onnx 1.20 cannot write them with onnx 1.23 (it gives a boolean where an integer must be). So they are read
        here from where scikit-learn has them.
        """
        for (predictor,) in model._predictors:
            nodes = predictor.nodes
            leaf, n = nodes["is_leaf"].astype(bool), len(nodes)
            split: dict[str, Any] = {
                "nodes_treeids": [self._trees] * n,
                "nodes_nodeids": list(range(n)),
                "nodes_featureids": np.where(leaf, 0, features[np.where(leaf, 0, nodes["feature_idx"])]).tolist(),
                "nodes_values": np.where(leaf, 0, _round_down(nodes["num_threshold"])).tolist(),
                "nodes_modes": ["LEAF" if last else "BRANCH_LEQ" for last in leaf],
                "nodes_truenodeids": np.where(leaf, 0, nodes["left"]).tolist(),
                "nodes_falsenodeids": np.where(leaf, 0, nodes["right"]).tolist(),
                "nodes_hitrates": [1.0] * n,
                "nodes_missing_value_tracks_true": [0] * n,
            }
            for name, values in split.items():
                self._nodes.setdefault(name, []).extend(values)
            ends = np.flatnonzero(leaf)
            self._leaves["treeids"] += [self._trees] * len(ends)
            self._leaves["nodeids"] += ends.tolist()
            self._leaves["ids"] += [tag] * len(ends)
            self._leaves["weights"] += nodes["value"][ends].tolist()
            self._trees += 1
        return float(model._baseline_prediction.ravel()[0])

    def head(self, start: Floats, *, logistic: bool) -> onnx.ModelProto:
        """Return the ensemble: ``features`` → ``scores`` [1, tags], the trees' sum from ``start``, between 0 and 1."""
        parts = GraphBuilder()
        attributes: dict[str, Any] = {
            **self._nodes,
            **{f"target_{name}": weights for name, weights in self._leaves.items()},
        }
        parts.node(
            "TreeEnsembleRegressor",
            ["features"],
            "votes",
            domain="ai.onnx.ml",
            n_targets=self._tags,
            base_values=start.tolist(),
            **attributes,
        )
        parts.node("Sigmoid" if logistic else "Identity", ["votes"], "scores")
        return parts.model({"features": "features"}, {"scores": self._tags})


def _round_down(thresholds: NDArray[np.float64]) -> Floats:
    """Round to the nearest float32 below or at each value: a feature is float32, so the same ones are at or below."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)


def join_graphs(encoder: onnx.ModelProto, head: onnx.ModelProto, inputs: Mapping[str, str], tags: int) -> bytes:
    """Put an encoder's graph and a classifier's one behind the other, as the bytes of an ONNX file."""
    parts = GraphBuilder()
    parts.add(encoder, "")
    parts.add(head, "")
    return bytes(parts.model(inputs, {"scores": tags}).SerializeToString())
