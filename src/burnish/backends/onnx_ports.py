"""What goes into an ONNX file and comes out, and looks into its middle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from burnish.backends.onnx_file import FLOAT_KINDS, dtype_of, read_model, write_model
from burnish.core.errors import Unsupported
from burnish.core.signature import Dim, TensorSpec


def input_specs(data: bytes) -> tuple[TensorSpec, ...]:
    """Names, dtypes and shapes. The first dimension is called batch, free ones keep their words.

    Raises `Unsupported` on an input that is no tensor with a batch dimension.
    """
    graph = read_model(data).graph
    stored = {item.name for item in graph.initializer}
    specs = []
    for port in graph.input:
        if port.name in stored:
            continue
        dims = port.type.tensor_type.shape.dim
        if not len(dims):
            raise Unsupported(
                f"the input {port.name!r} has no batch dimension", help="every input needs one row per sample"
            )
        shape = ("batch", *(_dim(dim, f"{port.name}_{axis}") for axis, dim in enumerate(dims[1:], start=1)))
        specs.append(TensorSpec(name=port.name, dtype=dtype_of(port.type.tensor_type.elem_type), shape=shape))
    return tuple(specs)


Seen = tuple[str, tuple[int, ...]]
"""dtype and shape of an output of a real call."""


def output_specs(data: bytes, seen: Sequence[Seen], words: Sequence[str]) -> tuple[TensorSpec, ...]:
    """Outputs as they were seen; dimensions that the file declares with one of `words` stay free."""
    graph = read_model(data).graph
    specs = []
    for port, (dtype, shape) in zip(graph.output, seen, strict=True):
        declared = [dim.dim_param for dim in port.type.tensor_type.shape.dim]
        declared += [""] * (len(shape) - len(declared))
        rest = (word if word in words else size for size, word in zip(shape[1:], declared[1:], strict=True))
        specs.append(TensorSpec(name=port.name, dtype=dtype, shape=("batch", *rest)))
    return tuple(specs)


def prepared(data: bytes) -> bytes:
    """The same graph with a free batch dimension at every port, and a name for every node.

    Graphs are often exported with the batch size of the example; most compute with any other too.
    """
    model = read_model(data)
    stored = {item.name for item in model.graph.initializer}
    for port in (*(p for p in model.graph.input if p.name not in stored), *model.graph.output):
        dims = port.type.tensor_type.shape.dim
        if len(dims):
            dims[0].dim_param = "batch"
    taken: set[str] = set()
    for number, node in enumerate(model.graph.node):
        if not node.name or node.name in taken:
            node.name = f"{node.op_type}_{number}"
        taken.add(node.name)
    del model.graph.value_info[:]
    return write_model(model)


def heavy_nodes(data: bytes) -> dict[str, str]:
    """Every convolution, matrix product and recurrent cell: name -> its first output."""
    nodes = read_model(data).graph.node
    return {node.name: node.output[0] for node in nodes if node.op_type in FLOAT_KINDS}


def has_attention(data: bytes) -> bool:
    """Whether a softmax feeds a matrix product."""
    nodes = read_model(data).graph.node
    soft = {node.output[0] for node in nodes if node.op_type == "Softmax"}
    return any(node.op_type == "MatMul" and soft & set(node.input) for node in nodes)


def with_outputs(data: bytes, names: Sequence[str]) -> bytes:
    """The same graph that also gives these inner values."""
    model = read_model(data)
    known = {port.name for port in model.graph.output}
    for name in names:
        if name not in known:
            model.graph.output.add().name = name
    return write_model(model)


def _dim(dim: Any, name: str) -> Dim:
    return int(dim.dim_value) if dim.WhichOneof("value") == "dim_value" else dim.dim_param or name
