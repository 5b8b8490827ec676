"""`burnish measure`: latency of artifacts on this machine, side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from burnish.artifact.layout import PROGRAM
from burnish.artifact.load import check_files, example_inputs, read_manifest
from burnish.cli.terminal.bars import RichProgress
from burnish.cli.terminal.console import print_rows
from burnish.core.errors import BadRequest
from burnish.core.manifest import Manifest
from burnish.measure.latency import Candidate, compare
from burnish.measure.profiles import ratio


def measure(paths: Sequence[Path], *, threads: int | None, seconds: float) -> None:
    """Body of the command; the last line is one JSON document. Raises `BurnishError`."""
    manifests = [read_manifest(path) for path in paths]
    for path, manifest in zip(paths, manifests, strict=True):
        check_files(path, manifest)
        if manifest.signature.inputs != manifests[0].signature.inputs:
            raise BadRequest("artifacts with different inputs cannot be compared", where=str(path))
    candidates = [_candidate(path, m, threads) for path, m in zip(paths, manifests, strict=True)]
    served = manifests[0].served[0]
    with RichProgress() as progress:
        profiles = compare(
            candidates,
            {served.label: [example_inputs(paths[0])]},
            budget_s=seconds,
            progress=progress,
        )[served.label]
    ratios = [ratio(profile, profiles[0]) for profile in profiles]
    rows = [(p.label, str(p.p50), str(p.p95), str(p.p99), str(r)) for p, r in zip(profiles, ratios, strict=True)]
    columns = ("artifact", "p50", "p95", "p99", "speed")
    print_rows(columns, rows, title=f"Latency at {served.label}")
    print(json.dumps({"profiles": [p.model_dump(mode="json") for p in profiles]}))


def _candidate(path: Path, manifest: Manifest, threads: int | None) -> Candidate:
    return Candidate(
        label=str(path),
        backend=manifest.backend,
        folder=path / PROGRAM,
        options=manifest.options,
        signature=manifest.signature,
        threads=threads or manifest.threads,
    )
