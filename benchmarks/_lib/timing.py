"""Latency of all candidates, side by side, with Burnish's own machinery: own process each, in turns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _lib import module_worker
from _lib.bench import Bench
from _lib.candidate import MODULE, Candidate
from burnish.backends.backend import Executable
from burnish.core.doors import BACKENDS
from burnish.core.errors import BurnishError
from burnish.core.measurement import LatencyProfile
from burnish.core.signature import Served
from burnish.measure import latency
from burnish.measure.worker_process import PROGRAM
from burnish.pipeline.requests import requests

_MODULE_PROGRAM = (str(Path(module_worker.__file__).parent / "start_module_worker.py"),)


def measure(
    bench: Bench, candidates: Sequence[Candidate], served: Served, *, budget_s: float, rounds: int, repeat: int
) -> None:
    """Time those that fit a shape, `repeat` times with fresh processes; rounds are pooled.

    One whose process fails gets its error, and the others are timed without it.
    """
    fitting = [item for item in candidates if not item.error and item.only in ("", served.label)]
    runs: list[list[LatencyProfile]] = []
    while len(runs) < repeat and fitting:
        try:
            runs.append(_compare(bench, fitting, served, rounds, budget_s))
        except BurnishError as error:
            bad = next((item for item in fitting if error.where.startswith(item.label)), None)
            if bad is None:
                raise
            bad.error = str(error)
            fitting.remove(bad)
            runs.clear()
    for index, item in enumerate(fitting):
        item.latency[served.label] = pooled([run[index] for run in runs])


def pooled(profiles: Sequence[LatencyProfile]) -> LatencyProfile:
    """Several comparisons of the same candidate as one: all rounds, the median of each quantile."""
    first = profiles[0]
    if len(profiles) == 1:
        return first
    merged: dict[str, Any] = {"rounds_ms": tuple(ms for profile in profiles for ms in profile.rounds_ms)}
    for name in ("p50", "p95", "p99"):
        each = sorted((getattr(profile, name) for profile in profiles), key=lambda m: m.value)
        merged[name] = each[len(each) // 2].model_copy(
            update={
                "low": min(m.low for m in each),
                "high": max(m.high for m in each),
                "n": sum(m.n for m in each),
                "protocol": f"{first.p50.protocol}; {len(profiles)} times with fresh processes",
            }
        )
    merged["other_cores"] = max(profile.other_cores for profile in profiles)
    merged["peak_memory_bytes"] = max(profile.peak_memory_bytes for profile in profiles)
    return first.model_copy(update=merged)


def quickest(bench: Bench, candidates: Sequence[Candidate]) -> Candidate:
    """The fastest of a few at the first served shape, measured shortly."""
    if len(candidates) < 2:
        return candidates[0]
    profiles = _compare(bench, candidates, bench.ours.manifest.served[0], 6, 5.0)
    pairs = zip(profiles, candidates, strict=True)
    return min(pairs, key=lambda pair: pair[0].p50.value)[1]


def opened(bench: Bench, item: Candidate) -> Executable:
    """A candidate in this process, to predict with."""
    signature = bench.workload.signature
    if item.backend == MODULE:
        module = bench.base.copy().module
        return module_worker.ModuleExecutable(module, item.options, signature, bench.threads)
    backend = BACKENDS.get(item.backend)
    loaded: Executable = backend.load(item.folder, item.options, signature=signature, threads=bench.threads)
    return loaded


def _compare(
    bench: Bench, candidates: Sequence[Candidate], served: Served, rounds: int, budget_s: float
) -> list[LatencyProfile]:
    rows = [
        latency.Candidate(
            label=item.label,
            backend=item.backend,
            folder=item.folder,
            signature=bench.workload.signature,
            options=dict(item.options),
            threads=bench.threads,
            program=_MODULE_PROGRAM if item.backend == MODULE else PROGRAM,
        )
        for item in candidates
    ]
    return latency.compare(
        rows,
        {served.label: requests(bench.workload, served)},
        rounds=rounds,
        budget_s=budget_s,
        progress=bench.progress,
    )[served.label]
