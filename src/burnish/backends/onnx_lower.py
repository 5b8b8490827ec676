"""Fake-quantize nodes in an ONNX graph become int8 weights and pairs of Q and DQ.

A fake-quantize node rounds `x` to `levels` steps between two bounds and stays in floating point
(https://docs.openvino.ai/2025/documentation/openvino-ir-format/operation-sets/operation-specs/quantization/fake-quantize-1.html).
ONNX Runtime knows QuantizeLinear and DequantizeLinear instead, and fuses them only in the shapes
that it expects. So: weights become int8 constants behind a DequantizeLinear; activations a pair in
uint8, the operand that its x86 kernels want; a batch norm behind a convolution goes into the
scales of its weight; the bias of a Gemm becomes int32; rows of an embedding are picked before they are
scaled, not after; what stands between an operator and its Q and DQ moves (`onnx_fuse`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.onnx_edit import EditedGraph
from burnish.backends.onnx_file import (
    attributes_of,
    make_node,
    read_model,
    write_model,
)
from burnish.backends.onnx_fuse import drop_clip, one_scale, pad_first, reshape_first
from burnish.core.errors import Unsupported

_FAKE = "FakeQuantize"
_FLOAT = 1  # onnx.TensorProto.FLOAT


def lower_fake_quantize(data: bytes) -> bytes:
    """The same model without fake-quantize nodes; a model that has none comes back unchanged.

    Raises `Unsupported` when the bounds of a node are not constants or vary along two dimensions.
    """
    model = read_model(data)
    if not any(node.op_type == _FAKE for node in model.graph.node):
        return data
    graph = EditedGraph(model.graph)
    steps = (_lower, _fold_transpose, _fold_norm, one_scale, drop_clip, pad_first, reshape_first)
    for step in (*steps, _quantize_bias, _gather_first):
        graph.rewrite(step)
    graph.write()
    return write_model(model)


def _lower(graph: EditedGraph, node: Any) -> list[Any] | None:
    if node.op_type != _FAKE:
        return None
    source, output = node.input[0], node.output[0]
    if not {node.input[1], node.input[2]} <= set(graph.constants):
        raise Unsupported(f"the bounds of the fake-quantize node {node.name} are not constants")
    low, high = graph.constants[node.input[1]], graph.constants[node.input[2]]
    axis = _axis(low)
    scale = ((high - low) / np.float32(attributes_of(node)["levels"] - 1)).astype(np.float32)
    scale = np.where(scale == 0, np.float32(1), scale)
    shape = () if axis is None else (-1,)
    if source in graph.constants:
        values = np.clip(np.round(graph.constants[source] / scale), -128, 127).astype(np.int8)
        return [graph.store_weight(output, values, scale.reshape(shape), axis)]
    names = [f"{output}_scale", f"{output}_zero"]
    graph.constants[names[0]] = scale.reshape(shape)
    graph.constants[names[1]] = np.clip(np.round(-low / scale), 0, 255).astype(np.uint8).reshape(shape)
    middle = f"{output}_uint8"
    return [
        make_node("QuantizeLinear", [source, *names], middle, axis=axis),
        make_node("DequantizeLinear", [middle, *names], output, axis=axis),
    ]


def _fold_transpose(graph: EditedGraph, node: Any) -> list[Any] | None:
    """DQ(w) -> Transpose: DQ of the transposed weight."""
    weight = graph.weight_behind(node.input[0]) if node.op_type == "Transpose" else None
    if weight is None:
        return None
    values, scale, axis = weight
    order = list(attributes_of(node).get("perm", range(values.ndim)[::-1]))
    if graph.is_private(node.input[0]):
        graph.gone.add(node.input[0])
    place = None if axis is None else order.index(axis)
    return [graph.store_weight(node.output[0], values.transpose(order), scale, place)]


def _fold_norm(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Conv(x, DQ(w)) -> BatchNormalization: one Conv whose weight scales carry the norm."""
    conv = graph.maker.get(node.input[0]) if node.op_type == "BatchNormalization" else None
    if conv is None or conv.op_type != "Conv" or not graph.is_private(node.input[0]):
        return None
    weight = graph.weight_behind(conv.input[1])
    constant = {*node.input[1:], *conv.input[2:]} <= set(graph.constants)
    if weight is None or weight[2] not in (None, 0) or not constant or not graph.is_private(conv.input[1]):
        return None
    values, scale, _ = weight
    gamma, beta, mean, variance = (graph.constants[name] for name in node.input[1:5])
    factor = gamma / np.sqrt(variance + attributes_of(node).get("epsilon", 1e-5))
    bias = graph.constants[conv.input[2]] if len(conv.input) > 2 else np.zeros_like(mean)
    sign = np.where(factor < 0, -1, 1).reshape(-1, *[1] * (values.ndim - 1))
    values = np.clip(values.astype(np.int16) * sign, -128, 127).astype(np.int8)
    output = node.output[0]
    names = [conv.input[0], f"{output}_weight", f"{output}_bias"]
    graph.constants[names[2]] = ((bias - mean) * factor + beta).astype(np.float32)
    graph.gone.update((conv.output[0], conv.input[1]))
    return [
        graph.store_weight(names[1], values, np.abs(factor) * scale, 0),
        make_node("Conv", names, output, **attributes_of(conv)),
    ]


def _quantize_bias(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Gemm(DQ(x), DQ(w), b): b becomes int32 behind a DQ, without which no int8 kernel is taken."""
    if node.op_type != "Gemm" or len(node.input) < 3 or node.input[2] not in graph.constants:
        return None
    source, weight = graph.maker.get(node.input[0]), graph.weight_behind(node.input[1])
    if weight is None or source is None or source.op_type != "DequantizeLinear":
        return None
    scale = (graph.constants[source.input[1]] * weight[1]).astype(np.float32)
    bias = graph.constants[node.input[2]]
    names = [f"{node.output[0]}_bias_{part}" for part in ("int32", "scale")]
    graph.constants[names[0]] = np.clip(np.round(bias / scale), -(2**31), 2**31 - 1).astype(np.int32)
    graph.constants[names[1]] = scale
    bias_name = f"{node.output[0]}_bias"
    return [
        make_node("DequantizeLinear", names, bias_name, axis=0 if scale.ndim else None),
        make_node("Gemm", [node.input[0], node.input[1], bias_name], node.output[0], **attributes_of(node)),
    ]


def _gather_first(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Gather(DQ(table), rows): pick int8 rows and scale those, instead of the whole table at every call."""
    weight = graph.weight_behind(node.input[0]) if node.op_type == "Gather" else None
    if weight is None or attributes_of(node).get("axis", 0) != 0:
        return None
    values, scale, axis = weight
    output, rows = node.output[0], node.input[1]
    table, factor, picked, wide = (f"{output}_{part}" for part in ("table", "factor", "picked", "wide"))
    graph.constants[table] = values
    graph.constants[factor] = scale if axis is None else scale.reshape(_along(axis, values.ndim)[axis > 0 :])
    nodes = [make_node("Gather", [table, rows], picked), make_node("Cast", [picked], wide, to=_FLOAT)]
    if axis == 0:
        nodes.append(make_node("Gather", [factor, rows], f"{factor}_picked"))
        factor = f"{factor}_picked"
    if graph.is_private(node.input[0]):
        graph.gone.add(node.input[0])
    return [*nodes, make_node("Mul", [wide, factor], output)]


def _along(axis: int, ndim: int) -> list[int]:
    """The shape that lays a vector along one of `ndim` dimensions."""
    return [-1 if i == axis else 1 for i in range(ndim)]


def _axis(bound: NDArray[Any]) -> int | None:
    """The one dimension along which a bound varies; None when it is a single number."""
    wide = [i for i, size in enumerate(bound.shape) if size > 1]
    if len(wide) > 1:
        raise Unsupported("a fake-quantize node has bounds along several dimensions")
    return wide[0] if wide else None
