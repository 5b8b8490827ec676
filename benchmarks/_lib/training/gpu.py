"""Short trainings of one workload, each in its own way, in rounds."""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from _lib.progress import Lines
from burnish.core.progress import Silent
from burnish.data.split import Batch, Split
from burnish.train.device import choose_device, moved
from burnish.train.loop import fit
from burnish.train.objectives import task
from burnish.train.precision import Precision, choose_precision
from burnish.train.settings import FitSettings
from burnish.train.trial import StepTrial
from burnish.workloads.workload import Workload

FEWEST = 40
"""The loop looks at its losses, and waits for the GPU, every 20 steps; up to the first look is warming up."""


class PreparedHere(Split):
    """Rows augmented and prepared on the processor, moved as floats: what a plain data loader does."""

    def batch(self, rows, generator=None, *, device=torch.device("cpu")) -> Batch:  # noqa: B008
        made = super().batch(rows, generator)
        inputs = {name: tensor.to(device) for name, tensor in made.inputs.items()}
        return Batch(inputs=inputs, targets=made.targets.to(device), rows=made.rows)


class Stamps(Silent):
    """When so many steps were done; the loop has waited for the GPU then."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.steps: list[int] = []

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Stamps]:
        """Itself."""
        del label, total
        yield self

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Note the time."""
        del note
        self.at.append(time.perf_counter())
        self.steps.append(steps)

    def steps_per_s(self) -> float:
        """Without the steps up to the first look, which warm up and compile, where there are more."""
        first = min(1, len(self.at) - 2)  # the loop tells where it starts before anything else
        return sum(self.steps[first + 1 :]) / (self.at[-1] - self.at[first])


@dataclass
class Config:
    """One way to train, and what its rounds gave: rows per second, peak bytes."""

    name: str
    settings: dict[str, object]
    prepared_here: bool = False
    rows_per_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0


def configs(*, alone: bool, compiled: bool) -> dict[str, Config]:
    """By a short name; only the number formats when they are to be `alone`."""
    gpu = {"device": "cuda", "precision": "fp32"}
    found = {
        "fp32": Config("fp32, rows prepared on the GPU", gpu),
        "bf16": Config("bf16, rows prepared on the GPU", gpu | {"precision": "bf16"}),
    }
    if not alone:
        found["here"] = Config("fp32, rows prepared on the processor", gpu, prepared_here=True)
        found["cpu"] = Config("the processor alone, fp32", {"device": "cpu", "precision": "fp32"})
    if compiled:
        found["fused"] = Config("fp32, torch.compile", gpu | {"compile": True})
    return found


def measure(
    case: str, workload: Workload, found: dict[str, Config], steps: int, rounds: int, progress: Lines
) -> Precision:
    """Every configuration in every round; the first round warms up and is not counted. What `auto` takes."""
    torch.manual_seed(0)
    base = workload.build()
    for index in range(rounds + 1):
        for name, config in found.items():
            rate, peak = once(workload, copy.deepcopy(base), config, steps // 10 if name == "cpu" else steps)
            if index:
                config.rows_per_s.append(rate)
                config.peak_bytes = max(config.peak_bytes, peak)
        told = ", ".join(f"{name} {config.rows_per_s[-1]:.0f}" for name, config in found.items() if index)
        progress.say(f"{case}: round {index} of {rounds}, rows/s: {told or 'warming up'}")
    device = choose_device("cuda")
    with moved(base, device):
        trial = StepTrial(
            module=base,
            split=workload.train,
            objective=task(workload.loss),
            settings=workload.fit,
            seed=0,
            device=device,
        )
        return choose_precision("auto", device, trial)


def once(workload: Workload, module: nn.Module, config: Config, steps: int) -> tuple[float, int]:
    """Rows per second and peak bytes on the GPU of one short training run."""
    rows = workload.train
    if config.prepared_here:
        rows = PreparedHere(inputs=rows.inputs, targets=rows.targets, prepare=rows.prepare, augment=rows.augment)
    changes = config.settings | {"epochs": steps / rows.num_batches(workload.fit.batch_size)}
    settings: FitSettings = workload.fit.model_copy(update=changes)
    torch.cuda.reset_peak_memory_stats()
    stamps = Stamps()
    fit(module, rows, objective=task(workload.loss), settings=settings, seed=0, progress=stamps)
    peak = 0 if settings.device == "cpu" else torch.cuda.max_memory_allocated()
    return stamps.steps_per_s() * settings.batch_size, peak
