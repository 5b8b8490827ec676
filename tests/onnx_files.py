"""Real ONNX files of the tiny problem, and the rows that belong to them."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from burnish.backends.export import quiet
from burnish.core.doors import BACKENDS
from burnish.workloads.from_onnx import from_onnx
from burnish.workloads.workload import Workload
from tests import tiny


@cache
def exported(fixed_batch: int = 0) -> bytes:
    """The trained tiny model; with a batch size that the file insists on when one is given."""
    import onnx
    import torch

    module, signature = tiny.trained().module, tiny.workload().signature
    names: dict[str, Any] = {"input_names": ["image"], "output_names": [spec.name for spec in signature.outputs]}
    if fixed_batch == 0:
        names["dynamic_axes"] = {"image": {0: "batch"}}
    rows = tiny.rows(max(2, fixed_batch), 5).batch(np.arange(max(1, fixed_batch))).inputs["image"]

    file = io.BytesIO()
    with quiet():
        torch.onnx.export(module, (rows,), file, dynamo=False, opset_version=18, **names)
    onnx.checker.check_model(file.getvalue())
    return file.getvalue()


def write(folder: Path, *, fixed_batch: int = 0, **arrays: Any) -> tuple[Path, Path]:
    """`model.onnx` and `rows.npz` in a folder; `arrays` are put beside or in the place of the usual ones."""
    split = tiny.rows(600, 11)
    everything = {"image": split.inputs["image"], "target": split.targets, **arrays}
    (folder / "model.onnx").write_bytes(exported(fixed_batch))
    np.savez(folder / "rows.npz", **{k: v for k, v in everything.items() if v is not None})
    return folder / "model.onnx", folder / "rows.npz"


def workload(folder: Path, **settings: Any) -> Workload:
    """What Burnish makes of them."""
    model, rows = write(folder)
    assert BACKENDS.get("onnxruntime").available().ok
    return from_onnx(model, data=str(rows), **settings)
