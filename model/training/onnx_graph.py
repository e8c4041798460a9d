"""An ONNX graph under construction: every node and constant is a value that later nodes take as their input."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NewType

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, compose, helper, numpy_helper

from model.runs.arrays import Floats

OPSET: Final = 18
_IR_VERSION: Final = 9

Value = NewType("Value", str)
"""What a node or a constant of the graph gives: its name."""


class OnnxGraph:
    """Nodes and constants in the order in which they were added, which the bytes of the file depend on."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []

    def constant(self, name: str, value: NDArray[Any]) -> Value:
        """Add a constant."""
        self._constants.append(numpy_helper.from_array(value, name))
        return Value(name)

    def strings(self, name: str, values: Sequence[str]) -> Value:
        """Add a constant of strings."""
        return self.constant(name, np.array(values, dtype=object))

    def rows(self, name: str, integers: NDArray[np.int8], scale: Floats) -> Value:
        """Add a matrix of 8-bit rows as float32: computed from constants once, when the session is made."""
        stored = self.constant(f"{name}_int8", integers)
        row_scale = self.constant(f"{name}_scale", scale[:, None])
        return self.node("Mul", self.cast(stored, f"{name}_float"), row_scale, name=name)

    def node(self, operator: str, *inputs: Value, name: str, domain: str = "", **attributes: Any) -> Value:
        """Add a node with one output of this name."""
        (output,) = self.nodes(operator, *inputs, names=[name], domain=domain, **attributes)
        return output

    def nodes(
        self, operator: str, *inputs: Value, names: Sequence[str], domain: str | None = None, **attributes: Any
    ) -> list[Value]:
        """Add a node with several outputs of these names; a domain that is empty and none are different bytes."""
        self._nodes.append(helper.make_node(operator, list(inputs), list(names), domain=domain, **attributes))
        return [Value(name) for name in names]

    def cast(self, value: Value, name: str, to: int = TensorProto.FLOAT) -> Value:
        """Add a conversion to another type, float32 by default."""
        return self.node("Cast", value, name=name, to=to)

    def gather(self, values: Value, index: Value, name: str) -> Value:
        """Add ``values[index]``, along the first axis."""
        return self.node("Gather", values, index, name=name, axis=0)

    def concat(self, *values: Value, name: str, axis: int = 0) -> Value:
        """Add several values joined."""
        return self.node("Concat", *values, name=name, axis=axis)

    def scatter(self, values: Value, index: Value, updates: Value, name: str, reduction: str) -> Value:
        """Add ``values`` with updates added at an index, or their maximum."""
        return self.node("ScatterElements", values, index, updates, name=name, axis=0, reduction=reduction)

    def include(self, converted: onnx.ModelProto, prefix: str, value: Value) -> Value:
        """Add a whole graph with one input, which becomes ``value``, its names prefixed; return its last output."""
        graph = compose.add_prefix(converted, prefix).graph
        (taken,) = graph.input
        self.node("Identity", value, name=taken.name)
        self._nodes += graph.node
        self._constants += graph.initializer
        return Value(graph.output[-1].name)

    def to_bytes(
        self,
        name: str,
        inputs: Mapping[str, tuple[int, list[int | str]]],
        outputs: Mapping[str, tuple[int, list[int | str]]],
        metadata: Mapping[str, str],
        domains: Mapping[str, int] = {},
    ) -> bytes:
        """Return the graph as the bytes of an ONNX file; inputs and outputs are types and shapes by name.

        Args:
            domains: versions of the operators of other domains than ONNX's own and Microsoft's.
        """
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(key, *value) for key, value in inputs.items()],
            [helper.make_tensor_value_info(key, *value) for key, value in outputs.items()],
            self._constants,
        )
        versions = {"": OPSET, "com.microsoft": 1, **domains}
        opsets = [helper.make_opsetid(domain, version) for domain, version in versions.items()]
        proto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION, producer_name="tagalong")
        if metadata:
            helper.set_model_props(proto, dict(metadata))
        return bytes(proto.SerializeToString())
