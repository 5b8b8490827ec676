"""Training on a GPU: number format, and where rows are prepared, on real workloads in one run.

    python benchmarks/train_gpu.py
    python benchmarks/train_gpu.py cifar10-resnet --steps 40 --rounds 8

Every configuration trains the same model from the same weights on the same rows, interleaved in
rounds; the processor is measured in the same run. Without a GPU it says so and ends with 2. The last
line of stdout is one JSON document with the bars. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import copy
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from _lib import results
from _lib.bars import Bar
from _lib.progress import Lines
from torch import nn

from burnish.core.errors import BurnishError
from burnish.core.machine import fingerprint
from burnish.core.progress import Silent
from burnish.data.split import Batch, Split
from burnish.train.device import choose_device, device_name
from burnish.train.loop import fit
from burnish.train.objectives import task
from burnish.train.settings import FitSettings
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload

WORKLOADS = ("cifar10-resnet", "photo-efficientnet")


class PreparedHere(Split):
    """Rows augmented and prepared on the processor, moved as floats: what a plain data loader does."""

    def batch(self, rows, generator=None, *, device=torch.device("cpu")) -> Batch:  # noqa: B008
        made = super().batch(rows, generator)
        inputs = {name: tensor.to(device) for name, tensor in made.inputs.items()}
        return Batch(inputs=inputs, targets=made.targets.to(device), rows=made.rows)


@dataclass
class Config:
    """One way to train, and what its rounds gave: rows per second, peak bytes."""

    name: str
    settings: dict[str, object]
    prepared_here: bool = False
    rows_per_s: list[float] = field(default_factory=list)
    peak_bytes: int = 0


def configs() -> list[Config]:
    """The first is what `burnish` does by itself."""
    return [
        Config("bf16, rows prepared on the GPU", {"device": "cuda", "precision": "bf16"}),
        Config("fp32, rows prepared on the GPU", {"device": "cuda", "precision": "fp32"}),
        Config("bf16, rows prepared on the processor", {"device": "cuda", "precision": "bf16"}, prepared_here=True),
        Config("the processor alone, fp32", {"device": "cpu", "precision": "fp32"}),
    ]


def main() -> int:
    """Run the benchmark; 0 when every bar holds, 1 when one is broken, 2 without a GPU or on an error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("workloads", nargs="*", default=WORKLOADS, help=f"of {', '.join(WORKLOADS)}")
    parser.add_argument("--steps", type=int, default=30, help="training steps of one round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2, help="of the processor")
    parser.add_argument("--results", type=Path, default=results.RESULTS, help="folder for the JSON file")
    options = parser.parse_args()
    progress = Lines()
    try:
        device = choose_device("cuda")
        torch.set_num_threads(options.threads)
        found = {name: measure(get(name), options.steps, options.rounds, progress) for name in options.workloads}
    except BurnishError as error:
        print(error, file=sys.stderr)
        return 2
    bars = [bar for name, rows in found.items() for bar in judge(name, rows)]
    machine = fingerprint(accelerator=device_name(device))
    more = {
        name: [{"name": c.name, "rows_per_s": c.rows_per_s, "peak_bytes": c.peak_bytes} for c in rows]
        for name, rows in found.items()
    }
    return results.report("train_gpu", bars, {"found": more}, options.results, machine)


def measure(workload: Workload, steps: int, rounds: int, progress: Lines) -> list[Config]:
    """Every configuration in every round; the first round warms up and is not counted."""
    torch.manual_seed(0)
    base = workload.build()
    found = configs()
    for index in range(rounds + 1):
        for config in found:
            few = max(2, steps // 10) if config.settings["device"] == "cpu" else steps
            rate, peak = once(workload, copy.deepcopy(base), config, few)
            if index:
                config.rows_per_s.append(rate)
                config.peak_bytes = max(config.peak_bytes, peak)
        progress.say(f"{workload.name}: round {index} of {rounds}")
    return found


def once(workload: Workload, module: nn.Module, config: Config, steps: int) -> tuple[float, int]:
    """Rows per second and peak bytes on the GPU of one short training run."""
    rows = workload.train
    if config.prepared_here:
        rows = PreparedHere(inputs=rows.inputs, targets=rows.targets, prepare=rows.prepare, augment=rows.augment)
    changes = config.settings | {"epochs": steps / rows.num_batches(workload.fit.batch_size)}
    settings: FitSettings = workload.fit.model_copy(update=changes)
    torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    done = fit(module, rows, objective=task(workload.loss), settings=settings, seed=0, progress=Silent())
    torch.cuda.synchronize()
    seconds = time.perf_counter() - began
    peak = 0 if settings.device == "cpu" else torch.cuda.max_memory_allocated()
    return done.steps * settings.batch_size / seconds, peak


def judge(name: str, rows: list[Config]) -> list[Bar]:
    """Ratios of the same round, their median and their range."""
    ours, fp32, here, cpu = rows
    memory = ours.peak_bytes / fp32.peak_bytes
    return [
        _faster(f"{name}: bf16 against fp32", ours, fp32, 1.3),
        Bar(name=f"{name}: memory of bf16 against fp32", value=memory, unit="x", bar=1.0, least=False),
        _faster(f"{name}: rows prepared on the GPU against on the processor", ours, here, 1.0),
        _faster(f"{name}: against the processor alone", ours, cpu, 1.0),
    ]


def _faster(name: str, ours: Config, other: Config, bar: float) -> Bar:
    ratios = [a / b for a, b in zip(ours.rows_per_s, other.rows_per_s, strict=True)]
    return Bar(name=name, value=statistics.median(ratios), unit="x", bar=bar, low=min(ratios), high=max(ratios))


if __name__ == "__main__":
    sys.exit(main())
