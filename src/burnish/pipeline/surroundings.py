"""What passes are given of a workload: rows, a validation score, how much of it may be lost."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from torch import nn

from burnish.core.budget import Budget
from burnish.core.progress import Progress
from burnish.core.signature import Served
from burnish.measure.labels import predicted_labels
from burnish.measure.quality import paired, predict_module
from burnish.passes.base import Context
from burnish.train.settings import FitSettings
from burnish.workloads.workload import Workload

_EXAMPLES = 4


def context_of(
    workload: Workload,
    *,
    fit: FitSettings,
    seed: int,
    machine: str,
    threads: int,
    target: str,
    served: Sequence[Served],
    progress: Progress,
) -> Context:
    """A context without teacher, cost or inspection, which come while a run goes on.

    Its score is the validation metric, negated where lower is better.
    """
    sign = 1.0 if workload.metric.higher_is_better else -1.0

    def score(module: nn.Module) -> float:
        found = predict_module(module, workload.validation)
        return sign * workload.metric.compute(found, workload.validation.targets)

    def by_class(module: nn.Module) -> dict[str, float]:
        right = predicted_labels(predict_module(module, workload.validation)) == workload.validation.targets
        numbers = ((name, workload.validation.targets == number) for number, name in enumerate(workload.labels))
        return {name: float(right[rows].mean()) for name, rows in numbers if rows.any()}

    def difference(one: nn.Module, other: nn.Module) -> dict[str, float]:
        mine, theirs = (predict_module(module, workload.validation) for module in (one, other))
        found = paired(workload.metric, mine, theirs, workload.validation.targets, machine)
        ends = sorted((sign * found.low, sign * found.high))
        return {"value": sign * found.value, "low": ends[0], "high": ends[1]}

    classes = bool(workload.labels) and workload.validation.targets.ndim == 1 and workload.metric.name == "accuracy"
    examples = workload.train.batch(np.arange(min(_EXAMPLES, len(workload.train)))).inputs
    return Context(
        signature=workload.signature,
        examples=examples,
        train=workload.train,
        by_class=by_class if classes else None,
        difference=difference,
        unlabelled=workload.unlabelled,
        loss=workload.loss,
        score=score,
        seed=seed,
        fit=fit,
        progress=progress,
        measured_on=", ".join([machine, f"{threads} threads", target, *(shape.label for shape in served)]),
    )


def max_drop(budget: Budget, base_score: float, workload: Workload) -> float:
    """How much score may be lost: from the budget's limit on the metric, else one point.

    Scores are negated metrics where lower is better.
    """
    limit = budget.quality(workload.metric.name)
    if limit is None:
        return 0.01 if workload.metric.points else 0.02 * abs(base_score)
    if limit.relative:
        return max(0.0, limit.value if limit.upper else -limit.value)
    floor = -limit.value if limit.upper else limit.value
    return max(0.0, base_score - floor)
