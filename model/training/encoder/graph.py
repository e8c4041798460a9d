"""The encoder as an ONNX graph with 8-bit weights, for one draft at a time.

    ids int64 [n] → embeddings → layers of attention and feed-forward → states float [n, width]

A BERT (Devlin et al. 2019) as MiniLM is one (Wang et al. 2020): absolute positions, GELU, normalisation after each
part. Products are computed in 8 bits with scales found while running (``DynamicQuantizeMatMul``): a scale holds for a
whole input, so a draft's states would depend on its neighbours in a batch, and there are no batches.
Weights have 7 bits and a sign: on processors without the newer instructions sums of full 8 bits overflow.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from model.runs.arrays import Floats

HEADS: Final = 12
_OPSET: Final = 18
_IR_VERSION: Final = 9
_EPSILON: Final = 1e-12
_LARGEST: Final = 63
"""Largest weight: 7 bits with the sign. An input of 8 bits times two of them, added up, stay within 16 bits."""


def build(weights: Mapping[str, Floats], *, eight_bits: bool = True) -> bytes:
    """Build the graph, as the bytes of an ONNX file, from weights named as in ``network.EncoderNetwork``.

    Args:
        eight_bits: false keeps float32 everywhere, to measure what 8 bits cost.
    """
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []

    def constant(name: str, value: NDArray[Any]) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        nodes.append(helper.make_node(operator, list(inputs), [output], domain=domain, **attributes))
        return output

    def linear(x: str, name: str) -> str:
        """x · weightᵀ + bias; torch keeps weights as [out, in]."""
        weight, bias = weights[f"{name}.weight"].T, constant(f"{name}.bias", weights[f"{name}.bias"])
        if not eight_bits:
            product = add("MatMul", [x, constant(f"{name}.weight", weight)], f"{name}.product")
            return add("Add", [product, bias], f"{name}.out")
        scale = np.maximum(np.abs(weight).max(axis=0), 1e-12).astype(np.float32) / np.float32(_LARGEST)
        inputs = [
            x,
            constant(f"{name}.weight", np.rint(weight / scale).astype(np.int8)),
            constant(f"{name}.scale", scale),
            "",
            bias,
        ]
        return add("DynamicQuantizeMatMul", inputs, f"{name}.out", domain="com.microsoft")

    def normal(x: str, name: str) -> str:
        inputs = [x, constant(f"{name}.weight", weights[f"{name}.weight"])]
        inputs.append(constant(f"{name}.bias", weights[f"{name}.bias"]))
        return add("LayerNormalization", inputs, f"{name}.out", axis=-1, epsilon=_EPSILON)

    words = weights["word.weight"]
    if eight_bits:
        scale = np.maximum(np.abs(words).max(axis=1, keepdims=True), 1e-12).astype(np.float32) / np.float32(127)
        constant("word", np.rint(words / scale).astype(np.int8))
        constant("word.scale", scale)
        add("Gather", ["word", "ids"], "word.int8", axis=0)
        add("Cast", ["word.int8"], "word.float", to=TensorProto.FLOAT)
        add("Gather", ["word.scale", "ids"], "word.row_scale", axis=0)
        add("Mul", ["word.float", "word.row_scale"], "word.out")
    else:
        add("Gather", [constant("word", words), "ids"], "word.out", axis=0)
    # There is one kind of segment: its row belongs to every position's.
    constant("position", weights["position.weight"] + weights["segment.weight"][0])
    constant("zero", np.array([0], np.int64))
    add("Shape", ["ids"], "length")
    add("Slice", ["position", "zero", "length", "zero"], "position.out")
    add("Add", ["word.out", "position.out"], "placed")
    add("Unsqueeze", [normal("placed", "normal"), "zero"], "layer.0")
    layers = 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("layers."))
    x = "layer.0"
    for i in range(layers):
        at = f"layers.{i}"
        linear(x, f"{at}.attention")
        parts = [f"{at}.{part}" for part in ("query", "key", "value")]
        nodes.append(helper.make_node("Split", [f"{at}.attention.out"], parts, axis=-1, num_outputs=3))
        add("MultiHeadAttention", parts, f"{at}.attended", domain="com.microsoft", num_heads=HEADS)
        add("Add", [x, linear(f"{at}.attended", f"{at}.output")], f"{at}.with_attention")
        x = normal(f"{at}.with_attention", f"{at}.normal_1")
        raised = add("Gelu", [linear(x, f"{at}.up")], f"{at}.raised", domain="com.microsoft")
        add("Add", [x, linear(raised, f"{at}.down")], f"{at}.with_forward")
        x = normal(f"{at}.with_forward", f"{at}.normal_2")
    add("Squeeze", [x, "zero"], "states")
    graph = helper.make_graph(
        nodes,
        "tagalong-encoder",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n"])],
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, ["n", words.shape[1]])],
        constants,
    )
    opsets = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
    proto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tagalong")
    return bytes(proto.SerializeToString())
