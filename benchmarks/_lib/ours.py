"""Our side: the shipped recipe through the pipeline, and the base model that peers start from."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from _lib.candidate import OURS, Candidate
from burnish.core.budget import parse_budget
from burnish.core.doors import BACKENDS
from burnish.core.errors import BurnishError
from burnish.core.evidence import Ledger, Point
from burnish.core.manifest import Manifest
from burnish.core.progress import Progress
from burnish.measure.size import folder_bytes
from burnish.model.variant import Program, Variant
from burnish.pipeline.cache import VariantCache, cache_root
from burnish.pipeline.recipe import Recipe, load_recipe
from burnish.pipeline.run import run
from burnish.report.html import render
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Ours:
    """A finished run. `seconds` is its wall time, `cached_s` what its cached stages once took."""

    recipe: Recipe
    workload: Workload
    ledger: Ledger
    manifest: Manifest
    artifact: Path
    seconds: float
    cached_s: float

    @property
    def overhead_share(self) -> float:
        """Wall time that went neither into training nor into measuring, over all of it."""
        spent = self.ledger.seconds_training + self.ledger.seconds_measuring
        return max(0.0, self.seconds - spent) / (self.seconds + self.cached_s)

    @property
    def base_key(self) -> str:
        """Key of the trained, uncompressed model in the pipeline's cache."""
        return next(row.key for row in self.ledger.stages if row.verdict == "base")


def optimize(name: str, overrides: tuple[str, ...], threads: int, out: Path, progress: Progress) -> Ours:
    """Run the shipped recipe of a workload. Raises `BurnishError`."""
    recipe = load_recipe(name, overrides).model_copy(update={"threads": threads})
    workload = get(recipe.workload, **recipe.settings)
    started = time.perf_counter()
    result = run(
        recipe,
        workload,
        out=out,
        progress=progress,
        command=f"benchmarks/pipeline.py {name}",
        extras=lambda ledger: {"report.html": render(ledger).encode()},
    )
    cached = sum(row.seconds for row in result.ledger.stages if row.cached)
    return Ours(
        recipe=recipe,
        workload=workload,
        ledger=result.ledger,
        manifest=result.manifest,
        artifact=result.artifact,
        seconds=time.perf_counter() - started,
        cached_s=cached,
    )


def stage_variant(ours: Ours, stage: int) -> Variant:
    """The model after a stage of the run, from the pipeline's cache. Raises `BurnishError`."""
    row = next((row for row in ours.ledger.stages if row.stage == stage), None)
    cache = VariantCache(cache_root())
    if row is None or row.key not in cache:
        raise BurnishError(f"stage {stage} is not in the cache", help="the recipe must begin with fit")
    return cache.load(row.key, lambda: build(ours))[0].variant


def build(ours: Ours) -> nn.Module:
    """The original module, as the pipeline makes it."""
    torch.manual_seed(ours.recipe.seed)
    return ours.workload.build().eval()


def candidates(ours: Ours, scratch: Path) -> list[Candidate]:
    """The artifact; and for a served shape where another point of the same run is faster, that one.

    The other point keeps the same budget on the validation rows: a service with only that shape
    would name it in the recipe (`served:`) and be given this program.
    """
    artifact = Candidate(
        label=f"{OURS}: {ours.ledger.best.label}",
        family=OURS,
        kind="ours",
        int8="quantize" in ours.ledger.best.label,
        backend=ours.manifest.backend,
        folder=ours.artifact / "program",
        options=ours.manifest.options,
        size_bytes=folder_bytes(ours.artifact / "program"),
    )
    found = [artifact]
    for served in ours.manifest.served[1:]:
        point = _best_at(ours, served.label)
        if point.label == ours.ledger.best.label:
            continue
        folder = scratch / f"ours-{len(found)}"
        folder.mkdir(parents=True)
        build_point(ours, point, folder)
        found.append(
            Candidate(
                label=f"{OURS} for {served.label}: {point.label}",
                family=OURS,
                kind="ours",
                int8="quantize" in point.label,
                backend=point.backend,
                folder=folder,
                options=point.options,
                only=served.label,
                size_bytes=folder_bytes(folder),
            )
        )
    return found


def build_point(ours: Ours, point: Point, folder: Path) -> None:
    """Compile the model of a point of the ledger again."""
    variant = stage_variant(ours, point.stage)
    BACKENDS.get(point.backend).build(program(ours.workload, variant), folder, point.options)


def program(workload: Workload, variant: Variant) -> Program:
    """A variant as a backend wants it."""
    examples = workload.train.batch(np.arange(min(4, len(workload.train)))).inputs
    return variant.program(workload.signature, examples)


def _best_at(ours: Ours, shape: str) -> Point:
    ledger = ours.ledger
    budget = parse_budget(ledger.budget, ledger.metric)
    kept = [
        point
        for point in ledger.points
        if point.exact
        and shape in point.latency
        and False not in budget.judge(point, ledger.base, ledger.metric, "validation").values()
    ]
    return min(kept or [ledger.best], key=lambda point: point.latency[shape].p50.value)
