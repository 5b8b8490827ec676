"""Trains a case with one of the two loops, once for every line of stdin, and answers with one JSON line.

python loop_child.py CASE ours|hand THREADS
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).parents[2]))
from _lib.training import by_hand
from _lib.training.cases import CASES, Case
from burnish.core.progress import Silent
from burnish.data.split import Batch
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task


def ours(module: nn.Module, case: Case, seed: int) -> None:
    """The training as a pass runs it."""
    fit(module, case.split, objective=task(cross_entropy()), settings=case.settings, seed=seed, progress=Silent())


def losses_of_ours(module: nn.Module, case: Case, seed: int) -> list[float]:
    """The same with an objective that writes the losses down; not timed."""
    inner, found = task(cross_entropy()), []

    def objective(called: nn.Module, batch: Batch) -> torch.Tensor:
        loss = inner(called, batch)
        found.append(loss.item())
        return loss

    fit(module, case.split, objective=objective, settings=case.settings, seed=seed, progress=Silent())
    return found


def main() -> None:
    """`losses` is answered with the losses, anything else with a training's seconds: by the clock, of the processor."""
    case, hand = CASES[sys.argv[1]](), sys.argv[2] == "hand"
    torch.set_num_threads(int(sys.argv[3]))
    for line in sys.stdin:
        module, seed = case.fresh(), 1
        if line.strip() == "losses":
            found = by_hand.train(module, case, seed) if hand else losses_of_ours(module, case, seed)
            print(json.dumps([loss.hex() for loss in found]), flush=True)
            continue
        began, used = time.perf_counter(), time.process_time()
        if hand:
            by_hand.train(module, case, seed)
        else:
            ours(module, case, seed)
        print(json.dumps([time.perf_counter() - began, time.process_time() - used]), flush=True)


if __name__ == "__main__":
    main()
