"""OpenVINO's files and compiled graphs, read without OpenVINO."""

from __future__ import annotations

import math
import re
from typing import Any

from burnish.core.evidence import OpCoverage

_HEAVY = {"Convolution", "Deconvolution", "FullyConnected", "MatMul", "RNNCell", "RNNSeq", "ScaledDotProductAttention"}
_AUTOMATIC = re.compile(r'<layer id="\d+" name="([A-Z][A-Za-z0-9]*_\d+)(?:_compressed)?"')
_WORD = re.compile(r"\b[A-Z][A-Za-z0-9]*_\d+(?=_compressed\b|\b)")
_NET = re.compile(r'<net name="[^"]*"')
_PRECISIONS = {"i8": "int8", "u8": "int8", "f32": "fp32", "f16": "fp16"}


def numbered_anew(xml: str) -> str:
    """The same IR with automatic names counted from 0: OpenVINO counts on through the whole process.

    So that the same model gives the same file, whatever was converted before it.
    """
    names = dict.fromkeys(_AUTOMATIC.findall(xml))
    new = {name: f"{name.rpartition('_')[0]}_{number}" for number, name in enumerate(names)}
    xml = _WORD.sub(lambda found: new.get(found[0], found[0]), xml)
    return _NET.sub('<net name="model"', xml, count=1)


def coverage_row(op: Any) -> OpCoverage | None:
    """A heavy operator's row, or None. Fused attention shows as a `Subgraph` that holds products."""
    kind = _info(op, "layerType")
    if kind == "Subgraph" and any(part in _info(op, "originalLayersNames") for part in ("MatMul", "ScaledDot")):
        precision = _info(op, "primitiveType").rpartition("_")[2].lower()
    elif kind in _HEAVY:
        precision = _info(op, "runtimePrecision")
    else:
        return None
    weights = [port for port in op.input_values() if _info(port.get_node(), "layerType") == "Const"]
    return OpCoverage(
        name=op.get_friendly_name(),
        kind=f"{kind} ({_info(op, 'primitiveType')})",
        precision=_PRECISIONS.get(precision, precision),
        weight_bytes=sum(_num_bytes(port) for port in weights),
    )


def _info(op: Any, key: str) -> str:
    info = op.get_rt_info()
    return str(info[key].astype(str)) if key in info else ""


def _num_bytes(port: Any) -> int:
    shape = port.get_partial_shape()
    if not shape.is_static or port.get_element_type().is_dynamic():
        return 0
    bits: int = math.prod(shape.to_shape()) * port.get_element_type().bitwidth
    return math.ceil(bits / 8)
