"""Rewrites of a lowered graph that let ONNX Runtime take its int8 kernels.

They are fused only where a Conv or Gemm stands between one DequantizeLinear for each input and a QuantizeLinear, with
one scale for all of an activation. So what stands in between moves or goes, where that changes no number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.backends.onnx_edit import EditedGraph
from burnish.backends.onnx_file import attributes_of, make_node

_RESHAPES = ("Flatten", "Reshape", "Squeeze", "Unsqueeze")
_TOP = 255
_DEAD = 0.01
"""A channel whose range is this small a part of the largest one is dead: it was zero wherever it was looked at. It may
count from zero like the others, which lets through twice as much of next to nothing."""


def reshape_first(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Flatten(DQ(x)): DQ of the flattened x, so that the Gemm behind it sees a DQ. One scale for all of x only."""
    source = graph.maker.get(node.input[0]) if node.op_type in _RESHAPES else None
    if source is None or source.op_type != "DequantizeLinear" or graph.constants[source.input[1]].ndim:
        return None
    return _before(graph, node, source, list(node.input[1:]))


def pad_first(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Pad(DQ(x)) with zeros: DQ of x padded with its zero point."""
    source = graph.maker.get(node.input[0]) if node.op_type == "Pad" else None
    if source is None or source.op_type != "DequantizeLinear" or source.input[0] in graph.constants:
        return None
    zero = graph.constants[source.input[2]]
    if zero.ndim or not _adds_zeros(graph, node):
        return None
    name = f"{node.output[0]}_zero"
    graph.constants[name] = zero
    return _before(graph, node, source, [node.input[1], name, *node.input[3:]])


def _before(graph: EditedGraph, node: Any, source: Any, rest: list[str]) -> list[Any]:
    """`node` on the integers of the DequantizeLinear `source`, which comes after it."""
    if graph.is_private(node.input[0]):
        graph.gone.add(node.input[0])
    middle, axis = f"{node.output[0]}_uint8", attributes_of(source).get("axis")
    return [
        make_node(node.op_type, [source.input[0], *rest], middle, **attributes_of(node)),
        make_node("DequantizeLinear", [middle, *source.input[1:]], node.output[0], axis=axis),
    ]


def _adds_zeros(graph: EditedGraph, node: Any) -> bool:
    """Whether this is a Pad with zeros."""
    value = graph.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else np.zeros(1)
    constant = attributes_of(node).get("mode", b"constant") == b"constant"
    return node.op_type == "Pad" and constant and value is not None and not value.any()


def drop_clip(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Clip or Relu before a QuantizeLinear that gives the same integers without it. One scale for all only."""
    clip = _source(graph, node) if node.op_type == "QuantizeLinear" else None
    if clip is None or graph.constants[node.input[1]].ndim:
        return None
    if not _needless(graph, clip, graph.constants[node.input[1]], graph.constants[node.input[2]]):
        return None
    graph.gone.add(clip.output[0])
    return [make_node("QuantizeLinear", [clip.input[0], *node.input[1:]], node.output[0])]


def _needless(graph: EditedGraph, clip: Any, scale: NDArray[Any], zero: NDArray[Any]) -> bool:
    """Whether all that a Clip or Relu cuts off is rounded to the last integer on its side anyway."""
    low, high = _bounds(graph, clip)
    zero = zero.astype(np.float32)
    return not (np.any(-zero * scale < low - scale / 2) or np.any((_TOP - zero) * scale > high + scale / 2))


def _bounds(graph: EditedGraph, clip: Any) -> tuple[float, float]:
    """What a Clip or Relu lets through; nothing where that is not known, or of another node."""
    if clip.op_type == "Relu":
        return 0.0, math.inf
    names = [*clip.input[1:], "", ""][:2]
    if clip.op_type != "Clip" or any(name and name not in graph.constants for name in names):
        return math.inf, -math.inf
    low, high = names
    return (
        float(graph.constants[low]) if low else -math.inf,
        float(graph.constants[high]) if high else math.inf,
    )


def one_scale(graph: EditedGraph, node: Any) -> list[Any] | None:
    """Conv -> Clip -> Q and DQ with a scale per channel -> depthwise Conv: one scale, and the weights take the rest.

    What the first one gives is multiplied channel by channel, what the second one reads is divided.
    """
    if node.op_type != "QuantizeLinear" or graph.constants[node.input[1]].ndim != 1:
        return None
    pair = _pair(graph, node)
    if pair is None or attributes_of(node).get("axis", 1) != 1:
        return None
    scale, zero = graph.constants[node.input[1]], graph.constants[node.input[2]]
    if pair.clip is not None and _bounds(graph, pair.clip)[0] == 0:
        zero = np.where(scale < _DEAD * scale.max(), 0, zero)
    if len(np.unique(zero)) > 1 or not (pair.clip is None or _needless(graph, pair.clip, scale, zero)):
        return None
    before, after = _channel_scales(graph, pair.first), _channel_scales(graph, pair.second)
    if before is None or after is None or attributes_of(pair.second).get("group", 1) != len(scale):
        return None
    largest = scale.max()
    _rescale(graph, pair.first, before * largest / scale, largest / scale)
    _rescale(graph, pair.second, after * np.repeat(scale / largest, len(after) // len(scale)))
    if pair.clip is not None:
        graph.gone.add(pair.clip.output[0])
    names = [f"{node.output[0]}_one_scale", f"{node.output[0]}_one_zero"]
    graph.constants[names[0]] = largest.reshape(())
    graph.constants[names[1]] = zero[0].astype(np.uint8).reshape(())
    del pair.back.attribute[:]
    pair.back.input[1:] = names
    return [make_node("QuantizeLinear", [pair.first.output[0], *names], node.output[0])]


@dataclass(frozen=True)
class _Pair:
    """Conv `first` -> `clip`, if any -> Q -> DQ `back` -> Pad with zeros, if any -> Conv `second`; one reader each."""

    first: Any
    clip: Any
    back: Any
    second: Any


def _pair(graph: EditedGraph, node: Any) -> _Pair | None:
    """What stands around a QuantizeLinear, where it is that."""
    first, clip = _source(graph, node), None
    if first is not None and first.op_type in ("Clip", "Relu"):
        first, clip = _source(graph, first), first
    back = _only(graph, node)
    second = _only(graph, back) if back is not None and back.op_type == "DequantizeLinear" else None
    if second is not None and _adds_zeros(graph, second):
        second = _only(graph, second)
    return _Pair(first, clip, back, second) if _is_conv(first) and _is_conv(second) else None


def _is_conv(node: Any) -> bool:
    return node is not None and node.op_type == "Conv"


def _source(graph: EditedGraph, node: Any) -> Any:
    """The node that makes the first input of this one for nobody else, None without such a one."""
    return graph.maker.get(node.input[0]) if graph.is_private(node.input[0]) else None


def _only(graph: EditedGraph, node: Any) -> Any:
    """The one node that reads what this one gives, None where there are others."""
    return graph.users[node.output[0]][0] if graph.is_private(node.output[0]) else None


def _channel_scales(graph: EditedGraph, conv: Any) -> NDArray[Any] | None:
    """The scale of each output channel of a Conv whose int8 weight nobody else reads and whose bias is constant."""
    weight = graph.weight_behind(conv.input[1]) if graph.is_private(conv.input[1]) else None
    if weight is None or weight[2] != 0 or any(name not in graph.constants for name in conv.input[2:]):
        return None
    return weight[1]


def _rescale(graph: EditedGraph, conv: Any, scale: NDArray[Any], factor: NDArray[Any] | None = None) -> None:
    """Give the weight of a Conv these scales, and its bias this factor."""
    weight = graph.maker[conv.input[1]]
    weight.input[1] = f"{conv.output[0]}_one_scale_weight"
    graph.constants[weight.input[1]] = scale.astype(np.float32)
    if factor is not None and len(conv.input) > 2:
        bias = graph.constants[conv.input[2]] * factor
        conv.input[2] = f"{conv.output[0]}_one_scale_bias"
        graph.constants[conv.input[2]] = bias.astype(np.float32)
