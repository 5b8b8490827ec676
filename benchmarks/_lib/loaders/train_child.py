"""A small training for `killed` and `killed_ranks`: writes each step's place, loss and rows to a file as it goes.

python train_child.py FOLDER

With torchrun's environment it is one of several ranks, each of which writes a file of its own: its number, the step,
the number of ranks, the loss and the rows of its part.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn

from burnish.core.progress import Silent
from burnish.data.split import Batch, Split
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.ranks import joined
from burnish.train.settings import FitSettings

SETTINGS = FitSettings(epochs=3, batch_size=32, learning_rate=1e-2, precision="fp32", device="cpu", save_every_s=1)
"""With the clock below, a checkpoint every ten to twenty steps."""


class _Steps(Silent):
    def __init__(self) -> None:
        self.step = 0

    def say(self, text: str) -> None:
        if not text.startswith("resumed"):
            return
        epoch = re.search(r"after epoch (\d+)", text)
        batches = re.search(r"and (\d+) batches", text)
        done = int(epoch.group(1)) * PER_EPOCH if epoch else 0
        self.step = done + (int(batches.group(1)) if batches else 0)


class _Clock:
    """A tenth of a second passes with every look, whatever the machine does."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


rng = np.random.default_rng(0)
SPLIT = Split(inputs={"x": rng.normal(size=(3001, 40)).astype(np.float32)}, targets=rng.integers(0, 5, 3001))
PER_EPOCH = SPLIT.num_batches(SETTINGS.batch_size)


class _Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.drop, self.head = nn.Linear(40, 64), nn.Dropout(0.3), nn.Linear(64, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.drop(torch.relu(self.body(x))))


def main() -> None:
    """Train, or go on."""
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    steps, inner = _Steps(), task(cross_entropy())
    with joined("cpu") as ranks, (folder / f"steps-{ranks.rank}.txt").open("a") as file:

        def objective(module: nn.Module, batch: Batch) -> torch.Tensor:
            loss = inner(module, batch)
            rows = ",".join(map(str, batch.rows.tolist()))
            file.write(f"{steps.step} {ranks.world} {loss.item().hex()} {rows}\n")
            file.flush()
            steps.step += 1
            return loss

        torch.manual_seed(0)
        fit(
            _Net(),
            SPLIT,
            objective=objective,
            settings=SETTINGS,
            seed=0,
            checkpoint=folder / "fit.safetensors",
            progress=steps,
            ranks=ranks,
            clock=_Clock(),
        )
    if ranks.first:
        (folder / "done").touch()


if __name__ == "__main__":
    main()
