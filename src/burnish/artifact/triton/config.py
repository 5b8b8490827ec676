"""`config.pbtxt`: what Triton has to know of a model."""

from __future__ import annotations

import json
from collections.abc import Sequence

from burnish.artifact.triton.tuning import Tuning
from burnish.core.errors import Unsupported
from burnish.core.signature import Dim, Signature, TensorSpec

_TYPES = {
    "bool": "TYPE_BOOL",
    "uint8": "TYPE_UINT8",
    "uint16": "TYPE_UINT16",
    "uint32": "TYPE_UINT32",
    "uint64": "TYPE_UINT64",
    "int8": "TYPE_INT8",
    "int16": "TYPE_INT16",
    "int32": "TYPE_INT32",
    "int64": "TYPE_INT64",
    "float16": "TYPE_FP16",
    "float32": "TYPE_FP32",
    "float64": "TYPE_FP64",
}


def batches(signature: Signature) -> bool:
    """Whether the first dimension of everything is free, so that requests can share a batch."""
    return all(spec.shape and isinstance(spec.shape[0], str) for spec in (*signature.inputs, *signature.outputs))


def config_text(name: str, signature: Signature, tuning: Tuning) -> str:
    """The file for a model of the Python backend with all its versions. Raises `Unsupported` on a type it lacks.

    Where the first dimension is free it is Triton's batch and not in `dims`; else Triton may not batch.
    """
    shared = batches(signature)
    lines = [
        f"name: {json.dumps(name)}",
        'backend: "python"',
        f"max_batch_size: {tuning.max_batch if shared else 0}",
        *_ports("input", signature.inputs, shared),
        *_ports("output", signature.outputs, shared),
        f"instance_group [ {{ kind: KIND_CPU count: {tuning.instances} }} ]",
        "version_policy: { all { } }",
    ]
    if shared and tuning.max_batch > 1:
        lines.append("dynamic_batching {")
        if tuning.preferred:
            lines.append(f"  preferred_batch_size: [ {', '.join(map(str, tuning.preferred))} ]")
        lines += [f"  max_queue_delay_microseconds: {tuning.delay_us}", "}"]
    return "\n".join(lines) + "\n"


def _ports(kind: str, specs: Sequence[TensorSpec], shared: bool) -> list[str]:
    return [f"{kind} [", ",\n".join(f"  {{ {_port(spec, shared)} }}" for spec in specs), "]"]


def _port(spec: TensorSpec, shared: bool) -> str:
    if spec.dtype not in _TYPES:
        raise Unsupported(
            f"Triton has no name for the type {spec.dtype}", where=spec.name, help="serve it with burnish"
        )
    dims = [_size(dim) for dim in spec.shape[shared:]]
    bare = "" if dims else " reshape: { shape: [ ] }"  # dims must not be empty: a row of one number is [1] outside
    sizes = ", ".join(map(str, dims or [1]))
    return f"name: {json.dumps(spec.name)} data_type: {_TYPES[spec.dtype]} dims: [ {sizes} ]{bare}"


def _size(dim: Dim) -> int:
    return dim if isinstance(dim, int) else -1
