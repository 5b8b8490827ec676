"""What each rank of tests/pipeline/test_team.py runs: a recipe on real digits, with times that are made up.

python tests/pipeline/team_worker.py OUT [ONCE AT], as one of the ranks that torchrun starts
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import torch
from torch import nn

from burnish.core.doors import WORKLOADS
from burnish.core.progress import Silent
from burnish.core.signature import Served
from burnish.pipeline.recipe import Compile, Recipe, Step
from burnish.pipeline.run import Run
from burnish.pipeline.setup import Setup
from burnish.pipeline.team import help_out
from burnish.train.losses import cross_entropy
from burnish.train.ranks import Ranks, joined
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload
from tests.pipeline.fake import fake_times

NAME = "tests.pipeline.team_worker:workload"
RECOVER = {"epochs": 2.0, "strategy": "zero1"}
STEPS = (
    Step(name="fit", settings={"epochs": 4.0, "precision": "fp32"}),
    Step(name="prune", settings={"macs": 0.6, "criterion": "l1", "recover": RECOVER}),
    Step(name="quantize", settings={"method": "qat", "calibration_rows": 32, "min_coverage": 0, "recover": RECOVER}),
)


class Net(nn.Module):
    """Without batch normalization, whose statistics on processors are of a rank's own rows."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.head = nn.Linear(24 * 16, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(image).flatten(1))


@dataclass(frozen=True)
class Deadly:
    """The loss; rank 1 of a training dies at its `at`-th step since the process began, once for each file."""

    at: int
    once: str

    def __call__(self, outputs: Sequence[torch.Tensor], targets: torch.Tensor) -> torch.Tensor:
        if self.once and os.environ.get("RANK") == "1":
            calls = next(_CALLS)
            if calls == self.at and not Path(self.once).exists():
                Path(self.once).touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return cross_entropy()(outputs, targets)


_CALLS = iter(range(10**9))


def workload(*, once: str = "", at: int = 0) -> Workload:
    digits = WORKLOADS.get("digits")()
    fit = digits.fit.model_copy(update={"epochs": 4.0, "learning_rate": 3e-3})
    return replace(digits, build=Net, fit=fit, loss=Deadly(at, once), served=(Served(batch=1),))


def a_run(out: Path, ranks: Ranks, monkeypatch: pytest.MonkeyPatch, **settings: object) -> Run:
    fake_times(monkeypatch)
    recipe = Recipe(
        workload=NAME,
        settings=settings,
        passes=STEPS,
        compile=Compile(backends=("openvino",), tolerance=0.05),
        budget="accuracy>=-20pt",
        threads=1,
    )
    setup = Setup(recipe=recipe, workload=get(NAME, **settings), progress=Silent(), ranks=ranks)
    return Run(setup=setup, out=out)


def one_rank(out: Path, **settings: object) -> None:
    with joined("cpu") as ranks, pytest.MonkeyPatch.context() as monkeypatch:
        if ranks.first:
            a_run(out, ranks, monkeypatch, **settings).execute()
        else:
            help_out(ranks)


if __name__ == "__main__":
    told = {"once": sys.argv[2], "at": int(sys.argv[3])} if len(sys.argv) > 2 else {}
    one_rank(Path(sys.argv[1]), **told)
