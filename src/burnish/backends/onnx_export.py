"""PyTorch to ONNX, by the exporter that knows what the program holds."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from burnish.backends.export import (
    FourDimensionalAttention,
    dynamic_axes,
    dynamic_shapes,
    explain_trace,
    module_of,
    quiet,
)
from burnish.core.errors import Unsupported

if TYPE_CHECKING:
    from burnish.model.variant import Program

_OPSET = 18


def to_onnx(program: Program, backend: str) -> bytes:
    """The program as one ONNX model. Fake-quantize nodes are known to the older, tracing exporter only.

    Raises `Unsupported`, which names `backend`, where the exporters fail.
    """
    module, signature = module_of(program, backend), program.signature
    names: dict[str, Any] = {
        "kwargs": dict(program.examples),
        "input_names": [spec.name for spec in signature.inputs],
        "output_names": [spec.name for spec in signature.outputs],
        "opset_version": _OPSET,
    }
    with quiet(), explain_trace(module, backend), torch.no_grad(), FourDimensionalAttention():
        if program.precision != "fp32":
            with tempfile.TemporaryDirectory() as scratch:
                path = Path(scratch) / "model.onnx"
                torch.onnx.export(module, (), path, dynamo=False, dynamic_axes=dynamic_axes(signature), **names)
                return path.read_bytes()
        shapes = dynamic_shapes(signature)
        exported = torch.onnx.export(module, (), dynamo=True, dynamic_shapes=shapes, verbose=False, **names)
    if exported is None:
        raise Unsupported(f"the backend {backend!r} got nothing from the exporter", where=type(module).__name__)
    data: bytes = exported.model_proto.SerializeToString()
    return data
