"""What each rank of tests/train/test_strategies.py runs: every strategy in one process group.

torchrun --nproc-per-node 2 tests/train/rank_worker.py PART FOLDER [ARGUMENTS]
"""

from __future__ import annotations

import json
import os
import signal
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from torch import nn

from burnish.core.doors import STRATEGIES
from burnish.core.errors import BurnishError
from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.model.weights import save_state
from burnish.train.loop import FitResult, fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.ranks import Ranks, current_ranks, joined
from burnish.train.samples import Samples
from burnish.train.settings import FitSettings
from burnish.train.weighting import build_weighting

OBJECTIVE = task(cross_entropy())
SETTINGS = FitSettings(
    epochs=2, batch_size=14, learning_rate=1e-2, precision="fp32", device="cpu", schedule="constant", warmup=0.0
)
MANY = tuple(
    name
    for name in STRATEGIES.names()
    if name != "single" and not (name == "deepspeed" and find_spec("deepspeed") is None)
)
"""Strategies for several ranks that can run here: `make test-deepspeed` has them all."""
RUNS = {
    "adamw": {"optimizer": "adamw"},
    "sgd": {"optimizer": "sgd", "accumulate": 2, "clip_norm": 0.05},
    "ema": {"optimizer": "adamw", "ema": 0.5, "keep_best": False},
    "weighted": {"optimizer": "adamw", "weighting": "hard", "weighting_warmup": 0.2},
    "rare": {"optimizer": "sgd", "weighting": "class-balanced", "weighting_warmup": 0.0, "curriculum": "random"},
}


class Net(nn.Module):
    """Blocks, sizes that no number of ranks divides, a parameter that is never used and one that is frozen."""

    def __init__(self, norm: bool = False) -> None:
        super().__init__()
        self.stem = nn.Linear(9, 17)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(17, 33), nn.GELU(), nn.Linear(33, 17)) for _ in range(3)])
        self.norm = nn.BatchNorm1d(17) if norm else nn.LayerNorm(17)
        self.head = nn.Linear(17, 3)
        self.idle = nn.Parameter(torch.ones(3, 3))
        self.fixed = nn.Parameter(torch.ones(17), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x) * self.fixed
        for block in self.blocks:
            x = x + block(x)
        return self.head(self.norm(x))


def net(norm: bool = False) -> Net:
    torch.manual_seed(0)
    return Net(norm)


def split() -> Split:
    """47 rows: batches of 14, 14, 14 and 5."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 47)
    return Split(inputs={"x": (rng.normal(size=(47, 9)) + targets[:, None]).astype(np.float32)}, targets=targets)


def train(module: nn.Module, changes: dict[str, object], data: Split | None = None, **more: object) -> FitResult:
    settings = SETTINGS.model_copy(update=changes)
    rows = split() if data is None else data
    weighting = build_weighting(settings, rows)
    given = {
        "objective": OBJECTIVE if weighting is None else task(cross_entropy(), weighting=weighting),
        "samples": Samples(weighting=weighting),
        "settings": settings,
        "seed": 1,
        "progress": Silent(),
        "ranks": current_ranks(),
    }
    return fit(module, rows, **(given | more))


def gradients(strategy: str, ranks: Ranks, count: int) -> float:
    """Largest difference between a strategy's gradients and those of one process on the same `count` rows."""
    made = STRATEGIES.get(strategy)()
    rows = np.arange(count)
    alone = net()
    OBJECTIVE(alone, split().batch(rows)).backward()
    work, called = made.wrap(net(), torch.device("cpu"))
    made.optimizer(work, SETTINGS)
    mine = split().training_batch(rows, 0, seed=0, epoch=0, rank=ranks.rank, world=ranks.world)
    with made.exchange(called, last=True):
        (OBJECTIVE(called, mine) * (mine.share * ranks.world)).backward()
    found = dict(work.named_parameters())
    worst = 0.0
    for name, param in alone.named_parameters():
        grad = found[name].grad if strategy != "deepspeed" else deepspeed_gradient(found[name])
        assert (param.grad is None) == (grad is None), name
        if param.grad is not None:
            worst = max(worst, float((made.whole(grad) - param.grad).abs().max()))
    return worst


def deepspeed_gradient(param: torch.Tensor) -> torch.Tensor | None:
    """It has taken the gradient away, and has zeros for a parameter without one."""
    from deepspeed.utils import safe_get_full_grad

    grad = safe_get_full_grad(param) if param.requires_grad else None
    return grad if grad is not None and grad.any() else None


def matrix(ranks: Ranks, folder: Path) -> dict[str, object]:
    """Gradients and whole runs under every strategy."""
    found: dict[str, object] = {"auto": train(net(), {}).strategy}
    for strategy in sorted({"single", *MANY} - ({"single"} if ranks.world > 1 else set())):
        for count in (14, 5, 2):
            found[f"gradients {strategy} {count}"] = gradients(strategy, ranks, count)
        for name, changes in RUNS.items():
            module = net()
            done = train(module, changes | {"strategy": strategy})
            found[f"losses {strategy} {name}"] = [record.loss for record in done.history]
            if done.predicted is not None and done.measured is not None:
                found[f"memory {strategy} {name}"] = [done.predicted.lasting, done.measured.lasting]
            if ranks.first:
                save_state(module, folder / f"{strategy}-{name}.safetensors")
        normed = net(norm=True)
        train(normed, {"strategy": strategy})
        statistics = ranks.each(torch.stack([normed.norm.running_mean, normed.norm.running_var]))
        found[f"statistics {strategy}"] = float((statistics - statistics[0]).abs().max())
        found[f"muon {strategy}"] = refused(
            lambda strategy=strategy: train(net(), {"optimizer": "muon", "strategy": strategy})
        )
        broken = split()
        broken.inputs["x"][40] = np.nan
        found[f"nan {strategy}"] = refused(
            lambda strategy=strategy, data=broken: train(net(), {"strategy": strategy}, data)
        )
    return found


def refused(call: object) -> str:
    try:
        call()
    except BurnishError as error:
        return str(error)
    return ""


def resume(ranks: Ranks, folder: Path, strategy: str, stop_after: str) -> dict[str, object]:
    """A run with a checkpoint; it ends after that many epochs by an error of the score."""
    calls = iter(range(99))

    def score(module: nn.Module) -> float:
        if next(calls) == int(stop_after):
            raise KeyboardInterrupt
        return -float(module.training)

    module = net()
    changes = {"epochs": 4, "ema": 0.5, "strategy": strategy, "keep_best": False}
    try:
        done = train(module, changes, checkpoint=folder / "fit", score=score)
    except KeyboardInterrupt:
        return {}
    if ranks.first:
        save_state(module, folder / "weights.safetensors")
    return {"losses": [record.loss for record in done.history]}


def killed(ranks: Ranks, folder: Path, strategy: str, rank: str, epoch: str) -> dict[str, object]:
    """A run in which one rank kills itself in an epoch, but only the first time."""
    count = iter(range(1000))
    once = folder / "killed"

    def objective(module: nn.Module, batch: object) -> torch.Tensor:
        if next(count) == 4 * int(epoch) + 2 and ranks.rank == int(rank) and not once.exists():
            once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return OBJECTIVE(module, batch)

    module = net()
    train(module, {"epochs": 3, "strategy": strategy}, checkpoint=folder / "fit", objective=objective)
    if ranks.first:
        save_state(module, folder / "weights.safetensors")
    return {}


if __name__ == "__main__":
    torch.set_num_threads(1)
    part, place = sys.argv[1], Path(sys.argv[2])
    with joined("cpu") as all_ranks:
        result = {"matrix": matrix, "resume": resume, "killed": killed}[part](all_ranks, place, *sys.argv[3:])
        if all_ranks.first:
            (place / "found.json").write_text(json.dumps(result))
