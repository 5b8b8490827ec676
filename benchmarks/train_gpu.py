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
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from _lib import results
from _lib.bars import Bar
from _lib.progress import Lines
from _lib.training.gpu import FEWEST, Config, configs, measure

from burnish.core.errors import BurnishError
from burnish.core.machine import fingerprint
from burnish.train.device import choose_device, device_name
from burnish.train.precision import Precision
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload

CASES = ("cifar10-resnet", "photo-efficientnet", "photo-efficientnet:256")


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
