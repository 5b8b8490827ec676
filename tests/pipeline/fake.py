"""A run without measuring processes: times are made up from what the compiled files weigh."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from burnish.core.measurement import LatencyProfile, Measurement
from burnish.core.progress import Silent
from burnish.core.signature import Served
from burnish.pipeline.recipe import Compile, Recipe, Step
from burnish.pipeline.run import Run
from burnish.pipeline.setup import Setup
from burnish.pipeline.workbench import Built, Workbench
from tests import tiny

FIT = Step(name="fit", settings={"epochs": 4})
PRUNE = Step(name="prune", settings={"macs": 0.5, "score_rows": 64, "recover": {"epochs": 4}})
QUANTIZE = Step(
    name="quantize", settings={"method": "ptq", "calibration_rows": 16, "max_float_layers": 0, "min_coverage": 0}
)


def number(value: float, name: str = "x", spread: float = 0.0) -> Measurement:
    low, high = value * (1 - spread), value * (1 + spread)
    return Measurement(name=name, value=value, unit="", low=low, high=high, n=1, protocol="made up", machine="none")


def profile(label: str, ms: float, served: str = "batch 1", rounds: int = 8) -> LatencyProfile:
    return LatencyProfile(
        label=label,
        served=served,
        p50=number(ms),
        p95=number(1.2 * ms),
        p99=number(1.5 * ms),
        rounds_ms=(ms,) * rounds,
        peak_memory_bytes=10**6,
    )


def by_size(built: Built) -> float:
    """1 ms and 1 ms for every 10 kB of files."""
    return 1.0 + built.size_bytes / 1e4


def fake_times(monkeypatch: pytest.MonkeyPatch, ms: Callable[[Built], float] = by_size) -> None:
    """Let every workbench make its times up."""

    def time(
        self: Workbench,
        built: Sequence[Built],
        shapes: Sequence[Served],
        *,
        labels: Sequence[str] = (),
        **named: Any,
    ) -> dict[str, list[LatencyProfile]]:
        names = labels or [item.label for item in built]
        return {
            served.label: [profile(n, ms(item), served.label) for n, item in zip(names, built, strict=True)]
            for served in shapes
        }

    monkeypatch.setattr(Workbench, "time", time)


def recipe(*steps: Step, **changes: Any) -> Recipe:
    """On eager only, or as the changes say."""
    eager = Compile(backends=("eager",), target="eager", tolerance=0.02)
    return Recipe(workload="tiny", passes=steps, **({"compile": eager, "threads": 1} | changes))


def a_run(out: Path, *steps: Step, workload: Any = None, **changes: Any) -> Run:
    """A run of these steps on the tiny problem."""
    setup = Setup(recipe=recipe(*steps, **changes), workload=workload or tiny.workload(), progress=Silent())
    return Run(setup=setup, out=out)
