"""The main job from Python, in five lines, on a plain module and arrays or data loaders."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.artifact.load import Model, load
from burnish.cli.terminal.bars import RichProgress
from burnish.core.evidence import Ledger
from burnish.core.machine import fingerprint
from burnish.core.progress import Progress
from burnish.core.signature import Served
from burnish.pipeline.compose import compose
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.run import run
from burnish.report.html import render
from burnish.report.summary import headline
from burnish.train.settings import FitSettings
from burnish.workloads.from_arrays import UserLoss, UserMetric, from_arrays


@dataclass(frozen=True, kw_only=True)
class Optimized:
    """What `optimize` gives: the ledger, the artifact's folder, and the report as a page."""

    ledger: Ledger
    artifact: Path
    report: str

    def load(self) -> Model:
        """The optimized model, callable on NumPy arrays."""
        return load(self.artifact)

    def __str__(self) -> str:
        return headline(self.ledger)

    def _repr_html_(self) -> str:
        page = html.escape(self.report, quote=True)
        return f'<iframe srcdoc="{page}" style="width:100%;height:800px;border:0"></iframe>'


def optimize(
    model: nn.Module,
    *,
    train: Any,
    test: Any,
    validation: Any = None,
    unlabelled: Any = None,
    loss: UserLoss = "cross_entropy",
    metric: UserMetric = "accuracy",
    budget: str = "",
    trained: bool = True,
    fit: FitSettings | None = None,
    dynamic: Mapping[str, Mapping[int, str]] | None = None,
    served: tuple[Served, ...] = (),
    recipe: Recipe | None = None,
    out: str | Path = "burnish-run",
    seed: int = 0,
    progress: Progress | None = None,
) -> Optimized:
    """Make a model fast and small inside a budget, and prove it.

    See `burnish.workloads.from_arrays.from_arrays` for the data. Without a `recipe` one is composed
    from what tracing finds. Progress goes to stderr unless `progress` is given (`Silent()` for none).
    The model that is given is not changed. Raises `BurnishError`.
    """
    workload = from_arrays(
        model,
        train=train,
        test=test,
        validation=validation,
        unlabelled=unlabelled,
        loss=loss,
        metric=metric,
        trained=trained,
        fit=fit,
        dynamic=dynamic,
        served=served,
        seed=seed,
    )
    if recipe is None:
        examples = workload.train.batch(np.arange(min(2, len(workload.train)))).inputs
        recipe = compose(workload.name, workload, workload.build(), examples, budget, fingerprint())
    elif budget:
        recipe = recipe.model_copy(update={"budget": budget})
    with RichProgress() as bars:
        result = run(
            recipe.model_copy(update={"seed": seed}),
            workload,
            out=Path(out),
            progress=bars if progress is None else progress,
            command="burnish.optimize(...)",
            extras=lambda ledger: {"report.html": render(ledger).encode()},
        )
    report = (result.artifact / "report.html").read_text()
    return Optimized(ledger=result.ledger, artifact=result.artifact, report=report)
