"""The last step of a run: the artifact folder, and the report and ledger beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from burnish.artifact.save import save
from burnish.core.evidence import Ledger
from burnish.core.files import write_bytes
from burnish.core.manifest import Manifest
from burnish.pipeline.finalist import Finalist
from burnish.pipeline.requests import requests
from burnish.pipeline.workbench import Workbench

_TOLERANCE = 0.05


def deliver(
    out: Path, ledger: Ledger, chosen: Finalist, bench: Workbench, workload_name: str, extras: Mapping[str, bytes]
) -> Manifest:
    """Write `out/artifact`, and `extras` (ledger, recipe, report) both into it and beside it."""
    work = bench.workload
    draft = Manifest(
        name=work.name,
        workload=workload_name,
        created=ledger.started,
        backend=chosen.built.backend.name,
        options=dict(chosen.built.options),
        threads=bench.threads,
        signature=work.signature,
        served=bench.served,
        preprocessing=work.preprocessing,
        labels=work.labels,
        files={},
        content_hash="",
        records=(),
        lineage=tuple(row.key for row in ledger.stages if row.verdict in ("base", "kept")),
        evidence=_evidence(ledger),
        tolerance=_TOLERANCE,
        machine=ledger.machine,
        licence=work.licence,
    )
    manifest = save(
        out / "artifact",
        draft=draft,
        variant=chosen.variant,
        program=chosen.built.folder,
        example=_example(chosen, bench),
        extras=extras,
    )
    for name, data in extras.items():
        write_bytes(out / name, data)
    return manifest


def _evidence(ledger: Ledger) -> dict[str, object]:
    best = ledger.best
    return {
        "metric": ledger.metric,
        "test": None if best.test is None else best.test.model_dump(),
        "test_delta": None if best.test_delta is None else best.test_delta.model_dump(),
        "speedup": {shape: ratio.model_dump() for shape, ratio in best.speedup.items()},
    }


def _example(chosen: Finalist, bench: Workbench) -> dict[str, Tensor]:
    """One real request and what the program answers, for `verify` and for warming up a service."""
    inputs = requests(bench.workload, bench.served[0], count=1)[0]
    built = chosen.built
    executable = built.backend.load(
        built.folder, built.options, signature=bench.workload.signature, threads=bench.threads
    )
    try:
        outputs = executable(inputs)
    finally:
        executable.close()
    both = {f"in.{k}": v for k, v in inputs.items()} | {f"out.{k}": v for k, v in outputs.items()}
    return {name: torch.from_numpy(np.ascontiguousarray(value)) for name, value in both.items()}
