"""Compiles variants and compares them, for one workload on this machine.

Everything is built into one scratch folder and measured from there by processes of their own, so a
stage, a cost table and the final comparison all go the same way.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from burnish.backends.backend import Backend
from burnish.core.errors import BurnishError, OutputError, Unsupported
from burnish.core.evidence import Coverage, backend_label
from burnish.core.files import explain_io
from burnish.core.machine import available_bytes
from burnish.core.measurement import LatencyProfile, Ratio
from burnish.core.progress import Progress
from burnish.core.signature import Served
from burnish.measure.groups import at_once, compare_groups
from burnish.measure.latency import Candidate, compare
from burnish.measure.size import folder_bytes
from burnish.model.variant import Variant
from burnish.pipeline.choice import Choice
from burnish.pipeline.requests import requests
from burnish.workloads.workload import Workload


@dataclass(frozen=True, kw_only=True)
class Built:
    """A variant compiled into a folder."""

    backend: Backend
    options: Mapping[str, Any]
    folder: Path
    size_bytes: int

    @property
    def label(self) -> str:
        """Short text: `openvino bf16`."""
        return backend_label(self.backend.name, self.options)


@dataclass(kw_only=True)
class Workbench:
    """Builds and times; `served` are the shapes that count, the first one decides."""

    workload: Workload
    choice: Choice
    served: tuple[Served, ...]
    threads: int
    folder: Path
    progress: Progress
    examples: Mapping[str, Tensor]
    _numbers: Any = field(default_factory=itertools.count)

    def build(self, variant: Variant, backend: Backend, options: Mapping[str, Any]) -> Built:
        """Compile into a new folder. Raises `Unsupported` when the backend cannot, or fails as nobody foresaw."""
        folder = self.folder / f"{next(self._numbers):04d}-{backend.name}"
        folder.mkdir(parents=True)
        program = variant.program(self.workload.signature, self.examples)
        with explain_io(folder):
            try:
                backend.build(program, folder, options)
            except (BurnishError, OSError, MemoryError):
                raise
            except Exception as error:  # a vendor's bug costs its candidate, not the run
                what = f"{type(error).__name__}: {error}".splitlines()[0][:200]
                raise Unsupported(what, help=f"leave the backend {backend.name!r} out") from error
        return Built(
            backend=backend,
            options=dict(options),
            folder=folder,
            size_bytes=folder_bytes(folder),
        )

    def build_all(self, variant: Variant, backends: Sequence[Backend]) -> tuple[list[Built], dict[str, str]]:
        """Every choice of every backend; those that cannot, with the reason."""
        built: list[Built] = []
        failed: dict[str, str] = {}
        for backend in backends:
            for options in backend.choices(variant.precision):
                try:
                    built.append(self.build(variant, backend, options))
                except Unsupported as error:
                    where = f" ({error.where})" if error.where else ""
                    failed[backend_label(backend.name, options)] = error.what + where
        return built, failed

    def on_target(self, variant: Variant) -> list[Built]:
        """Every choice of the first target that can compile this variant. Raises `Unsupported`."""
        reasons: dict[str, str] = {}
        for backend in self.choice.targets(variant.precision):
            built, failed = self.build_all(variant, [backend])
            if built:
                return built
            reasons |= failed
        raise Unsupported(
            f"no backend here can run this model in {variant.precision}",
            why="; ".join(f"{label}: {reason}" for label, reason in reasons.items()),
            help="name another compile.target, or leave the pass out",
        )

    def time(
        self,
        built: Sequence[Built],
        shapes: Sequence[Served],
        *,
        rounds: int,
        seconds: float,
        labels: Sequence[str] = (),
        count: int = 48,
    ) -> dict[str, list[LatencyProfile]]:
        """Latency of each at every shape, by its label, in interleaved rounds over `count` requests.

        Raises `Unsupported` when one of them does not run.
        """
        names = labels or [item.label for item in built]
        candidates = [self.candidate(item, label) for item, label in zip(built, names, strict=True)]
        try:
            return compare(
                candidates,
                {served.label: requests(self.workload, served, count) for served in shapes},
                rounds=rounds,
                budget_s=seconds,
                progress=self.progress,
            )
        except OutputError:
            raise
        except BurnishError as error:
            raise Unsupported("the compiled model does not run", where=error.where, why=_why(error)) from error

    def against_first(
        self,
        built: Sequence[Built],
        shapes: Sequence[Served],
        *,
        rounds: int,
        seconds: float,
        labels: Sequence[str] = (),
    ) -> dict[str, list[tuple[LatencyProfile, Ratio]]]:
        """Latency of each, and how many times as fast as the first it is, by shape; in groups that fit into memory.

        Raises `Unsupported` when one of them does not run.
        """
        named = list(zip(built, labels or [item.label for item in built], strict=True))
        size = at_once(max(item.size_bytes for item in built), available_bytes())

        def compare(group: Sequence[tuple[Built, str]]) -> dict[str, list[LatencyProfile]]:
            share = seconds * len(group) / len(named)
            items, names = zip(*group, strict=True)
            return self.time(items, shapes, rounds=rounds, seconds=share, labels=names)

        return compare_groups(named, size, compare)

    def candidate(self, built: Built, label: str) -> Candidate:
        """What a process of its own needs to run it."""
        return Candidate(
            label=label,
            backend=built.backend.name,
            folder=built.folder,
            options=dict(built.options),
            signature=self.workload.signature,
            threads=self.threads,
        )

    def cost(self, variants: Sequence[Variant]) -> list[float]:
        """Latency in ms of each on the target backend at the first shape."""
        with self.progress.task("compiling for the cost table", total=len(variants)) as task:
            first = self.on_target(variants[0])[-1]
            built = [first]
            task.advance()
            for variant in variants[1:]:
                built.append(self.build(variant, first.backend, first.options))
                task.advance()
        labels = ["the whole model", *(f"width {number}" for number in range(1, len(built)))]
        first_shape = self.served[:1]
        timed = self.against_first(built, first_shape, rounds=8, seconds=2.0 * len(built), labels=labels)
        found = timed[first_shape[0].label]
        whole_ms = found[0][0].p50.value
        return [whole_ms / speed.value for _, speed in found]

    def inspect(self, variant: Variant) -> Coverage | None:
        """What really runs in low precision on the target backend; None when it cannot tell."""
        built = self.on_target(variant)[-1]
        return built.backend.coverage(built.folder, built.options)


def _why(error: BurnishError) -> str:
    return "; ".join(part for part in (error.what, error.why) if part)[:400]
