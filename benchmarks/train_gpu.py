"""Training on a GPU: number format, fused kernels, and where rows are prepared, on real workloads in one run.

    python benchmarks/train_gpu.py
    python benchmarks/train_gpu.py cifar10-resnet photo-efficientnet:256 --steps 80 --rounds 8

Every configuration trains the same model from the same weights on the same rows, interleaved in
rounds; the processor is measured in the same run. `NAME:N` takes batches of N rows and compares number
formats alone. Without a GPU it says so and ends with 2. The last line of stdout is one JSON document
with the bars. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _lib import results
from _lib.bars import Bar
from _lib.progress import Lines
from torch import nn

from burnish.core.errors import BurnishError
from burnish.core.machine import fingerprint
from burnish.core.progress import Silent
from burnish.data.split import Batch, Split
from burnish.train.device import choose_device, device_name, moved
from burnish.train.loop import fit
from burnish.train.objectives import task
from burnish.train.precision import Precision, choose_precision
from burnish.train.settings import FitSettings
from burnish.train.trial import StepTrial
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload

CASES = ("cifar10-resnet", "photo-efficientnet", "photo-efficientnet:256")
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


def main() -> int:
    """Run the benchmark; 0 when every bar holds, 1 when one is broken, 2 without a GPU or on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES, help="workloads, each with :N rows in a batch or its own")
    parser.add_argument("--steps", type=int, default=60, help="training steps of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--compiled", nargs="*", default=CASES[:1], help="cases that torch.compile compiles every round"
    )
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    options = parser.parse_args()
    if options.steps < FEWEST:
        parser.error(f"--steps {options.steps}: the first 20 are not counted, give at least {FEWEST}")
    progress, bars, found = Lines(), [], {}
    try:
        device = choose_device("cuda")
        torch.set_num_threads(options.threads)
        for case in options.cases:
            workload = _workload(case)
            rows = configs(alone=":" in case, compiled=case in options.compiled)
            chosen = measure(case, workload, rows, options.steps, options.rounds, progress)
            bars += judge(case, rows, chosen)
            found[case] = [
                {"name": c.name, "rows_per_s": c.rows_per_s, "peak_bytes": c.peak_bytes} for c in rows.values()
            ]
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2
    machine = fingerprint(accelerator=device_name(device))
    return results.report("train_gpu", bars, {"found": found}, options.results, machine)


def _workload(case: str) -> Workload:
    name, _, batch = case.partition(":")
    workload = get(name)
    if not batch:
        return workload
    fit_settings = workload.fit.model_copy(update={"batch_size": int(batch)})
    return replace(workload, fit=fit_settings)


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


def judge(case: str, found: dict[str, Config], chosen: Precision) -> list[Bar]:
    """Ratios of the same round, their median and their range."""
    fp32, bf16 = found["fp32"], found["bf16"]
    taken, other = (bf16, fp32) if chosen.name == "bf16" else (fp32, bf16)
    memory = bf16.peak_bytes / fp32.peak_bytes
    bars = [
        _faster(f"{case}: bf16 against fp32", bf16, fp32, 1.3),
        Bar(name=f"{case}: memory of bf16 against fp32", value=memory, unit="x", bar=1.0, least=False),
        _faster(f"{case}: auto against the other format", taken, other, 0.97, note=chosen.reason),
    ]
    against = {"here": "rows prepared on the GPU against on the processor", "cpu": "against the processor alone"}
    bars += [_faster(f"{case}: {what}", fp32, found[name], 1.0) for name, what in against.items() if name in found]
    if "fused" in found:
        bars.append(_faster(f"{case}: compiled against plain", found["fused"], fp32, 1.0))
    return bars


def _faster(name: str, ours: Config, other: Config, bar: float, **more: Any) -> Bar:
    ratios = [a / b for a, b in zip(ours.rows_per_s, other.rows_per_s, strict=True)]
    return Bar(name=name, value=median(ratios), unit="x", bar=bar, low=min(ratios), high=max(ratios), **more)


if __name__ == "__main__":
    sys.exit(main())
