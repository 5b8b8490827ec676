"""The candidates of the final comparison: every surviving stage on every useful backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from burnish.core.measurement import LatencyProfile, Ratio
from burnish.model.variant import Variant
from burnish.pipeline.places import places
from burnish.pipeline.workbench import Built, Workbench

Array = NDArray[np.generic]

MUCH = 3.0
"""So many times as fast: a slower candidate of the same model will not be chosen."""


@dataclass(kw_only=True)
class Finalist:
    """A candidate on its way to becoming a point of the ledger."""

    stage: int
    name: str
    variant: Variant
    built: Built
    exact: bool = True
    reason: str = ""
    on_validation: Array | None = None
    on_test: Array | None = None
    latency: dict[str, LatencyProfile] = field(default_factory=dict)
    speedup: dict[str, Ratio] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """`prune on openvino bf16`."""
        return f"{self.name} on {self.built.label}"


def build_finalists(
    bench: Workbench, survivors: Sequence[tuple[int, str, Variant]]
) -> tuple[list[Finalist], dict[str, str]]:
    """Every survivor (stage, name, variant) on its `places`, the base on the reference first; what failed and why.

    The base is also built on the reference, which everything is compared with.
    """
    useful, reference = bench.choice.useful, bench.choice.reference
    known = {backend.name: backend for backend in bench.choice.usable()}
    names = [name for name in known if not useful or name in useful]
    precisions = [variant.precision for _, _, variant in survivors]
    targets = [bench.choice.targets(precision)[0].name for precision in precisions]
    chosen = places(precisions, targets, names, useful[0] if useful else "")
    if reference in known and reference not in chosen[0]:
        chosen[0] = [reference, *chosen[0]]
    passes = [name for _, name, _ in survivors]
    finalists: list[Finalist] = []
    failed: dict[str, str] = {}
    with bench.progress.task("compiling candidates", total=len(survivors)) as task:
        for (stage, given, variant), where in zip(survivors, chosen, strict=True):
            name = given if passes.count(given) == 1 else f"{given} {stage}"
            built, refused = bench.build_all(variant, [known[backend] for backend in where])
            failed |= {f"{name} on {key}": reason for key, reason in refused.items()}
            finalists += [Finalist(stage=stage, name=name, variant=variant, built=item) for item in built]
            task.advance(note=name)
    if reference in chosen[0]:
        finalists.sort(key=lambda f: (f.stage, f.built.backend.name != reference))
    return finalists, failed


def much_faster(finalist: Finalist, others: Sequence[Finalist]) -> list[Finalist]:
    """Those of the same stage that are three times as fast or more at every shape, the fastest first."""

    def gain(other: Finalist) -> float:
        return min(profile.p50.value / other.latency[shape].p50.value for shape, profile in finalist.latency.items())

    found = [other for other in others if other.stage == finalist.stage and gain(other) > MUCH]
    return sorted(found, key=gain, reverse=True)
