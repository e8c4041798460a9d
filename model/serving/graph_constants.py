"""The constants of an ONNX file, read without the package ``onnx``, which serving does not install.

The messages below are the part of ``onnx.proto`` that holds them; protobuf, which ONNX Runtime needs too, skips the
rest. ONNX (https://github.com/onnx/onnx, ``onnx/onnx.proto``) never gives a field another number.
"""

from typing import Any, Final

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from numpy.typing import NDArray

_FIELD: Final = descriptor_pb2.FieldDescriptorProto
_MESSAGES: Final = {
    "Tensor": [
        ("dims", 1, _FIELD.TYPE_INT64, True),
        ("data_type", 2, _FIELD.TYPE_INT32, False),
        ("string_data", 6, _FIELD.TYPE_BYTES, True),
        ("name", 8, _FIELD.TYPE_STRING, False),
        ("raw_data", 9, _FIELD.TYPE_BYTES, False),
    ],
    "Graph": [("initializer", 5, "Tensor", True)],
    "Model": [("graph", 7, "Graph", False)],
}
_STRING: Final = 8
_DTYPES: Final = {1: "<f4", 3: "i1", 5: "<i2", 6: "<i4", 7: "<i8"}
"""NumPy's types by the numbers of ``TensorProto.DataType``, those that a released model uses."""


def read_constants(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the constants of an ONNX file by their names; strings as an array of objects.

    Raises:
        ValueError: it is no ONNX file, or a constant is of a type that no released model uses.
    """
    try:
        model = _model_class().FromString(content)
    except Exception as error:  # protobuf's own errors share no base but Exception
        raise ValueError(f"not an ONNX file: {error}") from error
    return {tensor.name: _to_array(tensor) for tensor in model.graph.initializer}


def _to_array(tensor: Any) -> NDArray[Any]:
    if tensor.data_type == _STRING:
        return np.array([text.decode() for text in tensor.string_data], object).reshape(tensor.dims)
    if tensor.data_type not in _DTYPES:
        raise ValueError(f"the constant {tensor.name} is of type {tensor.data_type}, which is not expected")
    return np.frombuffer(tensor.raw_data, _DTYPES[tensor.data_type]).reshape(tensor.dims)


def _model_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="tagalong/onnx.proto", package="tagalong", syntax="proto2")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, number, kind, repeated in fields:
            label = _FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL
            if isinstance(kind, str):
                message.field.add(
                    name=field, number=number, label=label, type=_FIELD.TYPE_MESSAGE, type_name=f".tagalong.{kind}"
                )
            else:
                message.field.add(name=field, number=number, label=label, type=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tagalong.Model"))
