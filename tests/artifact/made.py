"""Artifacts without a run: a module, compiled and saved."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from burnish.artifact.save import save
from burnish.core.doors import BACKENDS
from burnish.core.machine import fingerprint
from burnish.core.manifest import Manifest
from burnish.core.signature import Served, Signature
from burnish.model.variant import Program, Variant
from burnish.testing import TinyImages, image_inputs, image_signature
from burnish.testing.backends import TinySequences, sequence_inputs, sequence_signature


def make(
    path: Path,
    module: nn.Module,
    signature: Signature,
    examples: Mapping[str, Tensor],
    *,
    name: str,
    backend: str = "onnxruntime",
    options: Mapping[str, Any] | None = None,
) -> Path:
    """The artifact's folder; `examples` are a batch of at least two rows."""
    engine, chosen = BACKENDS.get(backend), dict(options or {})
    program = path.with_name(f"{path.name}-program")
    program.mkdir(parents=True)
    engine.build(Program(signature=signature, examples=dict(examples), module=module), program, chosen)
    row = {key: value[:1].numpy() for key, value in examples.items()}
    executable = engine.load(program, chosen, signature=signature, threads=1)
    outputs = executable(row)
    executable.close()
    both = {f"in.{k}": v for k, v in row.items()} | {f"out.{k}": v for k, v in outputs.items()}
    draft = Manifest(
        name=name,
        workload=name,
        created="2026-01-01T00:00:00",
        backend=backend,
        options=chosen,
        threads=1,
        signature=signature,
        served=(Served(),),
        preprocessing="none",
        files={},
        content_hash="",
        records=(),
        lineage=(),
        evidence={},
        tolerance=0.05,
        machine=fingerprint(),
    )
    save(
        path,
        draft=draft,
        variant=Variant(module=module),
        program=program,
        example={key: torch.from_numpy(np.ascontiguousarray(value)) for key, value in both.items()},
        extras={},
    )
    return path


def tiny_images(path: Path, *, name: str = "images", seed: int = 0, **settings: Any) -> Path:
    """Input `image` [N, 3, 12, 12], output `scores` [N, 5]."""
    torch.manual_seed(seed)
    return make(path, TinyImages().eval(), image_signature(), image_inputs(2), name=name, **settings)


def tiny_sequences(path: Path, *, name: str = "sequences", seed: int = 0, **settings: Any) -> Path:
    """Inputs `ids`, `mask` [N, L], outputs `scores` [N, 4], `tokens` [N, L, 8]."""
    torch.manual_seed(seed)
    return make(path, TinySequences().eval(), sequence_signature(), sequence_inputs(2, 9), name=name, **settings)
