"""Training steps with and without torch.compile, in turns; what the first of them costs."""

from __future__ import annotations

import itertools
import os
import statistics
import tempfile
import time
from typing import Any

import torch

from _lib.bars import Bar
from _lib.training.cases import CASES, Case
from burnish.core.progress import Progress
from burnish.train.compiled import compiled
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.optimizer import build_optimizer

_STEPS = 10


class Steps:
    """A module that takes the same steps again and again."""

    def __init__(self, case: Case) -> None:
        self.module = case.fresh().train()
        self._optimizer = build_optimizer(self.module, case.settings.model_copy(update={"learning_rate": 1e-4}))
        epoch = case.split.shuffled(case.settings.batch_size, seed=0, epoch=0)
        self._batches = list(itertools.islice(epoch, _STEPS))

    def take(self, count: int = _STEPS) -> tuple[float, float]:
        """So many steps: seconds, and the last loss."""
        objective = task(cross_entropy())
        began = time.perf_counter()
        for batch in self._batches[:count]:
            self._optimizer.zero_grad()
            loss = objective(self.module, batch)
            loss.backward()
            self._optimizer.step()
        return time.perf_counter() - began, loss.item()


def compile_bars(rounds: int, threads: int, found: dict[str, Any], say: Progress) -> list[Bar]:
    """One bar for each model, on the losses; how fast it is has no bar and is told."""
    torch.set_num_threads(threads)
    with tempfile.TemporaryDirectory(prefix="burnish-compile-") as cache:  # so that the compiler has nothing ready
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = cache
        return [_bar(CASES[key](), rounds, threads, found, say) for key in ("perceptron", "encoder")]


def _bar(case: Case, rounds: int, threads: int, found: dict[str, Any], say: Progress) -> Bar:
    steps = {"plain": Steps(case), "compiled": Steps(case)}
    took: dict[str, list[float]] = {name: [] for name in steps}
    losses: dict[str, list[float]] = {name: [] for name in steps}
    with compiled(steps["compiled"].module):
        first = {name: each.take(1)[0] for name, each in steps.items()}
        for turn in range(rounds):
            for name in list(steps) if turn % 2 else list(reversed(steps)):
                seconds, loss = steps[name].take()
                took[name].append(seconds)
                losses[name].append(loss)
    ratios = [a / b for a, b in zip(took["plain"], took["compiled"], strict=True)]
    low, speed, high = statistics.quantiles(ratios, n=4)
    waited = first["compiled"] / (statistics.median(took["plain"]) / _STEPS)
    told = f"{speed:.2f}x [{low:.2f}, {high:.2f}] as fast; the first step took as long as {waited:.0f} plain ones"
    found[f"{case.name}, compiled"] = {"seconds": took, "seconds of the first step": first}
    say.say(f"{case.name}: compiled {told}")
    return Bar(
        name=f"{case.name}: losses compiled beside plain",
        value=max(abs(a - b) for a, b in zip(losses["plain"], losses["compiled"], strict=True)),
        unit="largest difference",
        bar=1e-3,
        least=False,
        note=f"{rounds} rounds of {_STEPS} steps, fp32, {threads} threads; {told}",
    )
