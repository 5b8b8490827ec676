"""What a pass did and what the pipeline saw: the rows of the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from burnish.core.machine import Machine
from burnish.core.measurement import LatencyProfile, Measurement, Ratio
from burnish.core.noun import Noun


class Change(Noun):
    """One thing a pass changed: a layer and what happened to it."""

    where: str
    what: str


class Skip(Noun):
    """One thing a pass left alone, and why."""

    where: str
    why: str


class OpCoverage(Noun):
    """One operator of a compiled graph and the precision that it really runs in."""

    name: str
    kind: str
    precision: str
    weight_bytes: int = 0


class Coverage(Noun):
    """Which operators and bytes of a compiled graph really run in low precision.

    Only operators that carry the work count: convolutions, matrix products, recurrent cells.
    """

    ops: tuple[OpCoverage, ...]
    precision: str = "int8"

    @property
    def op_share(self) -> float:
        """Share of the heavy operators that run in `precision`, 0 to 1."""
        return sum(op.precision == self.precision for op in self.ops) / max(1, len(self.ops))

    @property
    def byte_share(self) -> float:
        """Share of the heavy operators' weight bytes that lie in `precision`, 0 to 1."""
        total = sum(op.weight_bytes for op in self.ops)
        low = sum(op.weight_bytes for op in self.ops if op.precision == self.precision)
        return low / total if total else 0.0


class Evidence(Noun):
    """One stage of a run: the pass, what it says, what was measured, and the verdict."""

    stage: int
    pass_name: str
    settings: dict[str, Any]
    verdict: Literal["kept", "rolled back", "unsupported", "no effect", "base"]
    reason: str = ""
    key: str = ""
    cached: bool = False
    changes: tuple[Change, ...] = ()
    skipped: tuple[Skip, ...] = ()
    notes: dict[str, Any] = {}
    coverage: Coverage | None = None
    seconds: float = 0.0
    measured: dict[str, Measurement] = {}


def backend_label(backend: str, options: Mapping[str, Any]) -> str:
    """A backend with what is special in its options: `openvino bf16`, `inductor freezing`, `onnxruntime`."""
    special = (name if value is True else str(value) for name, value in options.items() if value not in (False, "none"))
    return " ".join([backend, *special])


class Point(Noun):
    """One finished candidate: a stage's model on one backend, with everything measured of it."""

    stage: int
    label: str
    backend: str
    options: dict[str, Any]
    exact: bool
    reason: str = ""
    on_front: bool = False
    chosen: bool = False
    validation: Measurement | None = None
    test: Measurement | None = None
    test_delta: Measurement | None = None
    latency: dict[str, LatencyProfile] = {}
    speedup: dict[str, Ratio] = {}
    throughput: dict[str, Measurement] = {}
    parameters: int = 0
    macs: int = 0
    size_bytes: int = 0
    smaller: float = 1.0


class LayerRow(Noun):
    """One layer before and after: widths and precision, for the report's chart."""

    name: str
    kind: str
    width_before: int
    width_after: int
    precision: str
    parameters_before: int
    parameters_after: int


class Ledger(Noun):
    """Everything one run measured and decided. The report is a view of it."""

    workload: str
    title: str
    metric: str
    budget: str
    command: str
    started: str
    commit: str
    seed: int
    threads: int
    machine: Machine
    recipe: dict[str, Any]
    stages: tuple[Evidence, ...]
    points: tuple[Point, ...]
    layers: tuple[LayerRow, ...] = ()
    warnings: tuple[str, ...] = ()
    licence: str = ""
    seconds_training: float = 0.0
    seconds_measuring: float = 0.0
    seconds_total: float = 0.0

    @property
    def base(self) -> Point:
        """The uncompressed model on eager: what every ratio is relative to."""
        return self.points[0]

    @property
    def best(self) -> Point:
        """The point that was returned."""
        return next(point for point in self.points if point.chosen)
