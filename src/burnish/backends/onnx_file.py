"""ONNX files: read, write, build nodes, rename ports, and list the operators that carry the work.

The package `onnx` is imported here and nowhere else.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import Unsupported
from burnish.core.evidence import OpCoverage

_INT8_KINDS = {
    "QLinearConv", "ConvInteger", "QGemm", "QLinearMatMul", "MatMulInteger", "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QAttention", "QLinearConvTranspose",
}  # fmt: skip
FLOAT_KINDS = {
    "Conv", "FusedConv", "ConvTranspose", "MatMul", "FusedMatMul", "Gemm", "FusedGemm",
    "LSTM", "GRU", "RNN", "Attention", "MultiHeadAttention",
}  # fmt: skip
_WIDTHS = {1: "fp32", 10: "fp16", 16: "bf16", 11: "fp64"}


def read_model(data: bytes) -> Any:
    """The model in these bytes. Raises `Unsupported` when they are no ONNX model."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        return onnx.load_from_string(data)
    except DecodeError as error:
        raise Unsupported("these bytes are no ONNX model", why=str(error)) from error


def write_model(model: Any) -> bytes:
    """The model as bytes, with only those operator sets that its nodes use."""
    used = {node.domain for node in model.graph.node} | {""}
    kept = [entry for entry in model.opset_import if entry.domain in used]
    replace_all(model.opset_import, kept)
    data: bytes = model.SerializeToString()
    return data


def dtype_of(number: int) -> str:
    """NumPy's name of an element type."""
    import onnx

    return str(np.dtype(onnx.helper.tensor_dtype_to_np_dtype(number)).name)


def replace_all(field: Any, items: list[Any]) -> None:
    """Put `items` in the place of everything in a repeated field."""
    del field[:]
    field.extend(items)


def array_of(item: Any) -> NDArray[Any]:
    """The values of a stored constant."""
    import onnx

    array: NDArray[Any] = onnx.numpy_helper.to_array(item)
    return array


def make_constant(name: str, value: NDArray[Any]) -> Any:
    """A stored constant (an initializer)."""
    import onnx

    return onnx.numpy_helper.from_array(np.ascontiguousarray(value).reshape(value.shape), name)


def make_node(kind: str, inputs: list[str], output: str, **attributes: Any) -> Any:
    """A node with one output, named after it; attributes that are None are left out."""
    import onnx

    given = {key: value for key, value in attributes.items() if value is not None}
    return onnx.helper.make_node(kind, inputs, [output], name=f"{output}/{kind}", **given)


def attributes_of(node: Any) -> dict[str, Any]:
    """A node's attributes as plain values."""
    import onnx

    return {item.name: onnx.helper.get_attribute_value(item) for item in node.attribute}


def tidy(data: bytes, inputs: list[str], outputs: list[str]) -> bytes:
    """The same model under the names of a signature, without the exporter's notes on source files.

    Outputs are renamed by position; inputs too, unless their names are those of the signature. Shapes noted
    for weights go too: tools that transpose a weight leave the note as it was, and then refuse their own file.
    Raises `Unsupported` when the counts differ.
    """
    model = read_model(data)
    graph = model.graph
    constants = {item.name for item in graph.initializer}
    ports = [port for port in graph.input if port.name not in constants]
    if len(ports) != len(inputs) or len(graph.output) != len(outputs):
        raise Unsupported(
            f"the ONNX model has {len(ports)} inputs and {len(graph.output)} outputs",
            why=f"the signature has {len(inputs)} and {len(outputs)}",
        )
    if {port.name for port in ports} == set(inputs):
        inputs = [port.name for port in ports]
    mapping = dict(zip([p.name for p in (*ports, *graph.output)], (*inputs, *outputs), strict=True))
    notes = [item for item in graph.value_info if item.name not in constants]
    del graph.value_info[:]
    graph.value_info.extend(notes)
    for item in (*graph.input, *graph.output, *graph.value_info):
        item.name = mapping.get(item.name, item.name)
    for node in graph.node:
        node.input[:] = [mapping.get(name, name) for name in node.input]
        node.output[:] = [mapping.get(name, name) for name in node.output]
    for item in (model, graph, *graph.node, *graph.initializer, *graph.input, *graph.output, *graph.value_info):
        item.doc_string = ""
        del item.metadata_props[:]
    return write_model(model)


def heavy_ops(data: bytes) -> Iterator[OpCoverage]:
    """Every convolution, matrix product and recurrent cell of a file, with precision and weight bytes.

    A weight counts at the width in which it is stored, also behind a DequantizeLinear.
    """
    graph = read_model(data).graph
    stored = {item.name: item for item in graph.initializer}
    behind = {node.output[0]: node.input[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    for index, node in enumerate(graph.node):
        if node.op_type not in _INT8_KINDS | FLOAT_KINDS:
            continue
        weights = [stored[source] for source in (behind.get(n, n) for n in node.input) if source in stored]
        largest = max(weights, key=_num_bytes, default=None)
        wide = _WIDTHS.get(largest.data_type, "fp32") if largest is not None else "fp32"
        yield OpCoverage(
            name=node.name or f"{node.op_type}_{index}",
            kind=node.op_type,
            precision="int8" if node.op_type in _INT8_KINDS else wide,
            weight_bytes=sum(_num_bytes(item) for item in weights),
        )


def _num_bytes(item: Any) -> int:
    import onnx

    dtype: np.dtype[Any] = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(item.data_type))
    count: int = math.prod(item.dims)
    return count * dtype.itemsize
