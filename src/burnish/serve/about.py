"""What the protocol tells of a model: its metadata, and its settings in Triton's names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from burnish.core.signature import TensorSpec
from burnish.serve.engine import Engine
from burnish.serve.protocol.datatypes import datatype_of
from burnish.serve.rollout.router import number


def metadata(model: str, engine: Engine, versions: Iterable[str]) -> dict[str, Any]:
    """Inputs, outputs and versions of a model."""
    signature = engine.manifest.signature
    return {
        "name": model,
        "versions": sorted(versions, key=number),
        "platform": f"burnish_{engine.manifest.backend}",
        "inputs": [_described(spec) for spec in signature.inputs],
        "outputs": [_described(spec) for spec in signature.outputs],
    }


def config(model: str, engine: Engine) -> dict[str, Any]:
    """A model's settings, in the names of Triton's model configuration."""
    signature, limits = engine.manifest.signature, engine.limits
    return {
        "name": model,
        "platform": f"burnish_{engine.manifest.backend}",
        "max_batch_size": limits.max_batch,
        "input": [_configured(spec) for spec in signature.inputs],
        "output": [_configured(spec) for spec in signature.outputs],
        "instance_group": [{"name": model, "kind": "KIND_CPU", "count": limits.instances}],
        "dynamic_batching": {"max_queue_delay_microseconds": round(1000 * (limits.max_wait_ms or 0))},
    }


def _described(spec: TensorSpec) -> dict[str, Any]:
    shape = [size if isinstance(size, int) else -1 for size in spec.shape]
    return {"name": spec.name, "datatype": datatype_of(np.dtype(spec.dtype)), "shape": shape}


def _configured(spec: TensorSpec) -> dict[str, Any]:
    dims = [size if isinstance(size, int) else -1 for size in spec.shape[1:]]
    return {"name": spec.name, "data_type": f"TYPE_{datatype_of(spec.dtype)}", "dims": dims}
