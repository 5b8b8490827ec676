"""Looks before the work: a budget nobody can keep, a model that no backend can run.

A run costs minutes to hours; what is bound to fail is said in the first seconds.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from burnish.backends.backend import Backend
from burnish.core.budget import Budget
from burnish.core.errors import MissingExtra, RecipeError, Unsupported
from burnish.core.measurement import LatencyProfile
from burnish.core.signature import Signature, TensorSpec
from burnish.measure.latency import Candidate, compare
from burnish.measure.metric import Metric
from burnish.model.variant import Program, Variant
from burnish.passes.base import Pass
from burnish.pipeline.requests import Request, requests
from burnish.pipeline.workbench import Workbench
from burnish.train.refusals import refuse_settings_on_ranks
from burnish.train.settings import FitSettings

_SLACK = 0.8


class _Empty(nn.Module):
    """As little as a model can do: one number per row."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, ...] to [B, 1]."""
        return x.flatten(1)[:, :1] + 1.0


def check_quality(budget: Budget, metric: Metric) -> None:
    """Refuse a limit beyond the metric's range. Raises `RecipeError`."""
    limit = budget.quality(metric.name)
    if limit is None or not metric.points:
        return
    if limit.relative and abs(limit.value) > 1:
        raise RecipeError(
            f"{metric.name} has 100 points in all",
            where=f"budget: {limit.text}",
            help=f"name what may be lost, {metric.name}>=-1pt, or leave the clause out where nothing matters",
        )
    impossible = not limit.relative and (limit.value < 0 if limit.upper else limit.value > 1)
    if impossible:
        raise RecipeError(
            f"{metric.name} goes from 0 to 1",
            where=f"budget: {limit.text}",
            help=f"write {metric.name}>=92% or {metric.name}>=0.92, or relative to the model: {metric.name}>=-1pt",
        )


def check_trainings(steps: Sequence[str], passes: Sequence[Pass], base: FitSettings) -> None:
    """Refuse what several ranks cannot train, before anything is.

    Raises `Unsupported`, `RecipeError` or `MissingExtra` naming the pass.
    """
    for index, (name, pass_) in enumerate(zip(steps, passes, strict=True)):
        for settings in pass_.trainings(base):
            try:
                refuse_settings_on_ranks(settings)
            except (MissingExtra, RecipeError, Unsupported) as error:
                error.where = f"passes.{index} ({name}): {error.where}"
                raise


def check_model(bench: Workbench, variant: Variant) -> None:
    """Refuse a model that no backend can compile, before it is trained.

    Raises `Unsupported` naming module and line.
    """
    first: Unsupported | None = None
    target = bench.choice.target()
    for backend in (target, *(other for other in bench.choice.usable() if other.name != target.name)):
        if backend.pretends:
            return
        for options in backend.choices(variant.precision)[:1]:
            try:
                bench.build(variant, backend, options)
            except Unsupported as error:
                first = first or error
            else:
                return
    if first is not None:
        raise first


def check_latency(bench: Workbench, budget: Budget) -> None:
    """Refuse a latency below what an empty model costs at the first served shape.

    The empty model is measured once, on the target backend and on eager, of which the faster one
    counts. Measures only when the budget has such a limit. Raises `RecipeError`.
    """
    limit = budget.latency()
    if limit is None:
        return
    profiles = _empty_profiles(bench)
    fastest = min(profiles, key=lambda profile: profile.p50.value)
    floor_ms = _SLACK * fastest.p50.low
    if limit.value < floor_ms:
        raise RecipeError(
            f"no model answers in {limit.value:g} ms here",
            where=f"budget: {limit.text}",
            why=f"an empty model takes {fastest.p50.value:.3g} ms on {fastest.label} at {fastest.served}",
            help=f"ask for more than {fastest.p50.value:.2g} ms",
        )


def _empty_profiles(bench: Workbench) -> list[LatencyProfile]:
    served = bench.served[0]
    rows = next(iter(requests(bench.workload, served, count=1)[0].values()))
    request: Request = {"x": np.ascontiguousarray(rows.reshape(len(rows), -1), np.float32)}
    width = request["x"].shape[1]
    signature = Signature(
        inputs=(TensorSpec(name="x", dtype="float32", shape=("batch", width)),),
        outputs=(TensorSpec(name="y", dtype="float32", shape=("batch", 1)),),
    )
    program = Program(signature=signature, examples={"x": torch.zeros(2, width)}, module=_Empty().eval())
    target = bench.choice.target()
    backends = [target, *(b for b in bench.choice.usable() if b.name == "eager" and b is not target)]
    with tempfile.TemporaryDirectory(prefix="burnish-") as scratch:
        candidates = [_candidate(backend, program, Path(scratch), bench.threads) for backend in backends]
        return compare(candidates, {served.label: [request]}, rounds=4, budget_s=2.0)[served.label]


def _candidate(backend: Backend, program: Program, scratch: Path, threads: int) -> Candidate:
    folder = scratch / backend.name
    folder.mkdir()
    options = next(iter(backend.choices("fp32")), {})
    backend.build(program, folder, options)
    return Candidate(
        label=backend.name,
        backend=backend.name,
        folder=folder,
        signature=program.signature,
        options=options,
        threads=threads,
    )
