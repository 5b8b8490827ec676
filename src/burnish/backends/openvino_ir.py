"""OpenVINO's files, models and compiled graphs, read and named without OpenVINO."""

from __future__ import annotations

import math
import re
from typing import Any

from burnish.core.errors import Unsupported
from burnish.core.evidence import OpCoverage
from burnish.core.signature import Signature, TensorSpec

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


def name_ports(model: Any, signature: Signature) -> None:
    """Give inputs and outputs the signature's names, and inputs its shapes; free dimensions stay free."""
    ports = {port: spec for spec, port in zip(signature.inputs, _ports(model, signature), strict=True)}
    for port, spec in ports.items():
        port.get_tensor().set_names({spec.name})
        port.get_node().set_friendly_name(spec.name)
    model.reshape({port: [d if isinstance(d, int) else -1 for d in spec.shape] for port, spec in ports.items()})
    for port, spec in zip(model.outputs, signature.outputs, strict=True):
        port.get_tensor().set_names({spec.name})
        _check_free(port.get_partial_shape(), spec)


def _check_free(shape: Any, spec: TensorSpec) -> None:
    """A free dimension that came out as a number was frozen by tracing.

    OpenVINO does not notice at run time: it reads beyond its buffers.
    """
    if shape.rank.is_dynamic:
        return
    for found, dim in zip(shape, spec.shape, strict=False):
        if isinstance(dim, str) and found.is_static:
            raise Unsupported(
                f"the dimension {dim!r} was frozen to {found.get_length()} when the model was traced",
                where=f"output {spec.name!r}",
                help="compute sizes from the shapes of tensors in forward, or leave out the openvino backend",
            )


def _ports(model: Any, signature: Signature) -> list[Any]:
    """The model's input of every spec: by name where the names fit, else by position."""
    by_name = {name: port for port in model.inputs for name in port.get_names()}
    if all(spec.name in by_name for spec in signature.inputs):
        return [by_name[spec.name] for spec in signature.inputs]
    return list(model.inputs)


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
