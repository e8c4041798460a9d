"""The encoder as an ONNX graph with 8-bit weights, for one draft at a time.

    ids int64 [n] → embeddings → layers of attention and feed-forward → states float [n, width]

A BERT (Devlin et al. 2019) of MiniLM's shape (Wang et al. 2020): absolute positions, GELU, normalisation after each
part. Products are computed in 8 bits with scales found while running (``DynamicQuantizeMatMul``): a scale holds for a
whole input, so a draft's states would depend on its neighbours in a batch, and there are no batches.
Weights have 7 bits and a sign: on processors without the newer instructions sums of full 8 bits overflow.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto

from model.runs.arrays import Floats
from model.training.onnx_graph import OnnxGraph, Value

HEADS: Final = 12
_EPSILON: Final = 1e-12
_MAX_WEIGHT: Final = 63
"""Largest weight: 7 bits with the sign. An input of 8 bits times two of them, added up, stay within 16 bits."""


def export_encoder(weights: Mapping[str, Floats], *, eight_bits: bool = True) -> bytes:
    """Return the graph as the bytes of an ONNX file, from weights named as in ``network.EncoderNetwork``.

    Args:
        eight_bits: false keeps float32 everywhere, to measure what 8 bits cost.
    """
    g = EncoderGraph(weights, eight_bits=eight_bits)
    x = g.embed(Value("ids"))
    for i in range(count_layers(weights)):
        x = g.add_layer(x, f"layers.{i}")
    g.node("Squeeze", x, g.zero, name="states")
    width = weights["word.weight"].shape[1]
    inputs: dict[str, tuple[int, list[int | str]]] = {"ids": (TensorProto.INT64, ["n"])}
    outputs: dict[str, tuple[int, list[int | str]]] = {"states": (TensorProto.FLOAT, ["n", width])}
    return g.to_bytes("tagalong-encoder", inputs, outputs, {})


def count_layers(weights: Mapping[str, Floats]) -> int:
    """Return the number of layers that weights are of."""
    return 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))


class EncoderGraph(OnnxGraph):
    """The parts of a BERT, built from its weights by name."""

    zero: Value

    def __init__(self, weights: Mapping[str, Floats], *, eight_bits: bool) -> None:
        super().__init__()
        self._weights = weights
        self._eight_bits = eight_bits

    def embed(self, ids: Value) -> Value:
        """Add the embeddings of words and positions, normalised: [1, n, width]."""
        words = self._weights["word.weight"]
        if self._eight_bits:
            scale = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
            integers = self._weight("word", np.rint(words / scale).astype(np.int8))
            scales = self._weight("word.scale", scale)
            numbers = self.cast(self.gather(integers, ids, name="word.int8"), "word.float")
            word = self.node("Mul", numbers, self.gather(scales, ids, name="word.row_scale"), name="word.out")
        else:
            word = self.gather(self._weight("word", words), ids, name="word.out")
        # There is one kind of segment: its row belongs to every position's.
        positions = self._weight("position", self._weights["position.weight"] + self._weights["segment.weight"][0])
        self.zero = self.constant("zero", np.array([0], np.int64))
        length = self.node("Shape", ids, name="length")
        position = self.node("Slice", positions, self.zero, length, self.zero, name="position.out")
        placed = self.node("Add", word, position, name="placed")
        return self.node("Unsqueeze", self._normalise(placed, "normal"), self.zero, name="layer.0")

    def add_layer(self, x: Value, at: str) -> Value:
        """Add a layer: attention, then a feed-forward part, each added to its input and normalised."""
        projected = self._linear(x, f"{at}.attention")
        names = [f"{at}.{part}" for part in ("query", "key", "value")]
        parts = self.nodes("Split", projected, names=names, axis=-1, num_outputs=3)
        attended = self.node(
            "MultiHeadAttention", *parts, name=f"{at}.attended", domain="com.microsoft", num_heads=HEADS
        )
        x = self.node("Add", x, self._linear(attended, f"{at}.output"), name=f"{at}.with_attention")
        x = self._normalise(x, f"{at}.normal_1")
        raised = self.node("Gelu", self._linear(x, f"{at}.up"), name=f"{at}.raised", domain="com.microsoft")
        x = self.node("Add", x, self._linear(raised, f"{at}.down"), name=f"{at}.with_forward")
        return self._normalise(x, f"{at}.normal_2")

    def _linear(self, x: Value, name: str) -> Value:
        """Add x · weightᵀ + bias; torch keeps weights as [out, in]."""
        weight, bias = self._weights[f"{name}.weight"].T, self._weight(f"{name}.bias", self._weights[f"{name}.bias"])
        if not self._eight_bits:
            product = self.node("MatMul", x, self._weight(f"{name}.weight", weight), name=f"{name}.product")
            return self.node("Add", product, bias, name=f"{name}.out")
        scale = np.maximum(np.abs(weight).max(axis=0), 1e-12).astype(np.float32) / np.float32(_MAX_WEIGHT)
        integers = self._weight(f"{name}.weight", np.rint(weight / scale).astype(np.int8))
        scales, no_zero_point = self._weight(f"{name}.scale", scale), Value("")
        inputs = (x, integers, scales, no_zero_point, bias)
        return self.node("DynamicQuantizeMatMul", *inputs, name=f"{name}.out", domain="com.microsoft")

    def _normalise(self, x: Value, name: str) -> Value:
        weight = self._weight(f"{name}.weight", self._weights[f"{name}.weight"])
        bias = self._weight(f"{name}.bias", self._weights[f"{name}.bias"])
        return self.node("LayerNormalization", x, weight, bias, name=f"{name}.out", axis=-1, epsilon=_EPSILON)

    def _weight(self, name: str, value: NDArray[Any]) -> Value:
        return self.constant(name, np.ascontiguousarray(value))
