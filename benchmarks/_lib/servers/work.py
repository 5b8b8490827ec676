"""What is served: one description for every server, and the artifact that ours takes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from burnish.artifact.layout import PROGRAM
from burnish.artifact.load import example_inputs, read_manifest
from burnish.artifact.save import save
from burnish.backends.kinds.onnxruntime import MODEL_FILE
from burnish.core.doors import BACKENDS
from burnish.core.errors import RecipeError
from burnish.core.machine import fingerprint
from burnish.core.manifest import Manifest
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.model.variant import Variant

Array = NDArray[np.generic]
CLOSED_LENGTH = 4


@dataclass(frozen=True, kw_only=True)
class Work:
    """An executable: the artifact for our server, `spec` (JSON) for the others, and one-row inputs to send.

    `rows` are the first input of requests, without the batch dimension; `mask` names a second one that is 1
    where the first is not 0. `ms` is the cost curve of a made-up device by rows, empty for real models.
    """

    name: str
    artifact: Path
    spec: dict[str, Any]
    rows: tuple[Array, ...]
    input: str
    mask: str = ""
    ms: tuple[float, ...] = ()

    def write_spec(self, folder: Path) -> Path:
        """The file that the other servers read."""
        path = folder / "work.json"
        path.write_text(json.dumps(self.spec))
        return path


class _Nothing(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1)[:, :1]


def curve(folder: Path, name: str, ms: tuple[float, ...], *, lengths: tuple[int, ...] = (), unit: int = 0) -> Work:
    """A device that sleeps `ms[n]` milliseconds for n rows; with `unit`, a row of length L counts as L / unit rows."""
    shape: tuple[str | int, ...] = ("batch", "length") if lengths else ("batch", CLOSED_LENGTH)
    signature = Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=shape),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 1)),),
    )
    options: dict[str, Any] = {"ms": {str(rows): wait for rows, wait in enumerate(ms) if rows}}
    if unit:
        options["unit"] = {"length": unit}
    rows = tuple(np.ones(length, np.float32) for length in lengths or (CLOSED_LENGTH,))
    program = folder / f"{name}-program"
    program.mkdir()
    module = _Nothing()
    variant = Variant(module=module)
    backend = BACKENDS.get("null")
    backend.build(variant.program(signature, {"x": torch.ones(2, len(rows[0]))}), program, options)
    draft = Manifest(
        name=name,
        workload="a device that sleeps",
        created="",
        backend="null",
        options=options,
        threads=1,
        signature=signature,
        served=(Served(sizes={"length": lengths[0]} if lengths else {}),),
        preprocessing="",
        files={},
        content_hash="",
        records=(),
        lineage=(),
        evidence={},
        tolerance=0.05,
        machine=fingerprint(),
    )
    example = {"in.x": torch.from_numpy(rows[0][None].copy()), "out.y": torch.zeros(1, 1)}
    save(folder / name, draft=draft, variant=variant, program=program, example=example, extras={})
    spec = {"kind": "curve", "ms": ms, "unit": unit, "dtype": "float32", "shape": [None if lengths else CLOSED_LENGTH]}
    return Work(name=name, artifact=folder / name, spec=spec, rows=rows, input="x", ms=ms)


def real(artifact: Path, *, lengths: tuple[int, ...] = ()) -> Work:
    """An artifact whose program is an ONNX file; free lengths take each of `lengths`. Raises `RecipeError`."""
    manifest = read_manifest(artifact)
    if manifest.backend != "onnxruntime":
        raise RecipeError(
            f"{manifest.name} runs on {manifest.backend}",
            where=str(artifact),
            help="give an artifact that runs on onnxruntime: every server can run the same file then",
        )
    examples = example_inputs(artifact)
    first = manifest.signature.inputs[0]
    row = examples[first.name][0]
    fixed = [size if isinstance(size, int) else None for size in first.shape[1:]]
    rows = tuple(np.resize(row, length) for length in lengths) if None in fixed and lengths else (row,)
    mask = manifest.signature.inputs[1].name if len(manifest.signature.inputs) == 2 else ""
    spec = {
        "kind": "onnx",
        "file": str((artifact / PROGRAM / MODEL_FILE).resolve()),
        "input": first.name,
        "mask": mask,
        "dtype": first.dtype,
        "shape": fixed,
        "threads": 1,
    }
    return Work(name=manifest.name, artifact=artifact, spec=spec, rows=rows, input=first.name, mask=mask)
