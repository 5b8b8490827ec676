"""Optimize one case with default settings, and everything that must be true of what comes back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

import burnish
from burnish.api import Optimized
from burnish.artifact.load import example_inputs
from burnish.core.budget import parse_budget
from burnish.core.progress import Progress, Silent
from tests.matrix.cases import Case, options_of, taught
from tests.matrix.tasks import Task


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table. `passes` maps the name of each pass to its verdict and reason."""

    name: str
    kind: str
    passes: dict[str, str]
    backend: str
    speedup: float
    speedup_low: float
    speedup_high: float
    metric: str
    base: float
    delta: float
    smaller: float
    seconds: float
    faults: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)


def run_case(case: Case, out: Path, progress: Progress | None = None) -> Row:
    """Teach, optimize, check. A fault is a sentence; there should be none."""
    module, task, score = taught(case)
    faults = [] if score >= case.good else [f"teaching reached only {score:.3f}"]
    result = burnish.optimize(module, out=out, progress=progress or Silent(), **options_of(case, task))
    faults += list(_faults(result, task))
    ledger, best = result.ledger, result.ledger.best
    ratio = next(iter(best.speedup.values()))
    return Row(
        name=case.name,
        kind=case.kind,
        passes={
            row.pass_name: f"{row.verdict}: {row.reason}" if row.reason else row.verdict
            for row in ledger.stages
            if row.verdict != "base"
        },
        backend=" ".join([best.backend, *(str(value) for value in best.options.values())]),
        speedup=round(ratio.value, 3),
        speedup_low=round(ratio.low, 3),
        speedup_high=round(ratio.high, 3),
        metric=ledger.metric,
        base=round(ledger.base.test.value, 5) if ledger.base.test else float("nan"),
        delta=round(best.test_delta.value, 5) if best.test_delta else float("nan"),
        smaller=round(best.smaller, 3),
        seconds=ledger.seconds_total,
        faults=tuple(faults),
    )


def _faults(result: Optimized, task: Task) -> Iterator[str]:
    ledger, base, best = result.ledger, result.ledger.base, result.ledger.best
    if base.backend != "eager":
        yield f"the baseline ran on {base.backend}"
    for shape, ratio in best.speedup.items():
        if ratio.high < 1.0:
            yield f"slower than the base at {shape}: {ratio}"
    yield from _worse(result)
    for row in ledger.stages:
        if row.verdict not in ("kept", "base") and not row.reason:
            yield f"{row.pass_name} was {row.verdict} without a reason"
    stored = burnish.verify(result.artifact)
    if any(difference != difference for difference in stored.values()):
        yield "the stored example gives NaN"
    with result.load() as model:
        first = {name: array[:2] for name, array in task.test[0].items()}
        answer = model.run(first)
        example = model.run(example_inputs(result.artifact))
    for name, array in (*answer.items(), *example.items()):
        if not np.isfinite(array).all():
            yield f"output {name} is not finite"
    if len(next(iter(answer.values()))) != 2:
        yield "two rows in, another number out"


def _worse(result: Optimized) -> Iterator[str]:
    """The chosen point against the budget, or against 3 % of the value where there is no budget."""
    ledger, base, best = result.ledger, result.ledger.base, result.ledger.best
    if best.validation is None or base.validation is None:
        yield "the chosen point was never validated"
        return
    if ledger.budget:
        judged = parse_budget(ledger.budget, ledger.metric).judge(best, base, ledger.metric, "validation")
        for clause, kept in judged.items():
            if kept is False:
                yield f"breaks {clause} on validation"
    elif abs(best.validation.value - base.validation.value) > 0.03 * abs(base.validation.value):
        yield f"{ledger.metric} went from {base.validation.value:.5f} to {best.validation.value:.5f}"
