"""What is optimized: a model, its data, its loss, its metric, and the shapes it will be served at."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from torch import nn

from burnish.core.signature import Served, Signature
from burnish.data.split import Split
from burnish.measure.metric import Metric
from burnish.train.settings import FitSettings, Loss


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Everything the pipeline needs to know about one model and its task.

    `build()` gives the module a run starts from: fresh, or with pretrained weights; it must be
    deterministic under `torch.manual_seed`. `trained` says that it already solves the task, so a
    run needs no `fit` first. The three splits share no row; `test` is read once, at the end.
    `unlabelled`: more inputs of the same kind, from which a student learns its teacher's answers;
    their targets mean nothing. `cheap` is a text for people: what was left out to save time, if anything.
    """

    name: str
    title: str
    build: Callable[[], nn.Module]
    train: Split
    validation: Split
    test: Split
    loss: Loss
    metric: Metric
    signature: Signature
    served: tuple[Served, ...] = (Served(),)
    fit: FitSettings = field(default_factory=FitSettings)
    trained: bool = False
    unlabelled: Split | None = None
    labels: tuple[str, ...] = ()
    preprocessing: str = ""
    licence: str = ""
    cheap: str = ""
