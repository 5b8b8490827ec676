"""A few training steps in every number format, timed side by side; the module is left as it was."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import nn

from burnish.data.split import Batch, Split
from burnish.model.fake_quant import has_nodes
from burnish.train.forward import forward_pass
from burnish.train.kept import Kept
from burnish.train.precision import Name, Precision, agreed, choose_precision
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings, Objective

ENOUGH = 200
"""A run of fewer steps than this is not worth a trial."""

_ROUNDS = 5
_STEPS = 2


@dataclass(frozen=True, kw_only=True)
class StepTrial:
    """Times forward and backward passes on the first rank's part of the first batches of the first epoch.

    The first round warms up and is not counted. What is trained on must not notice: gradients are dropped, buffers
    (statistics of norms, ranges of quantizers) put back.
    """

    module: nn.Module
    split: Split
    objective: Objective
    settings: FitSettings
    seed: int
    device: torch.device
    ranks: Ranks = field(default_factory=Ranks)
    clock: Callable[[], float] = time.perf_counter

    def __call__(self, names: Sequence[Name]) -> Mapping[Name, Sequence[float]]:
        """Seconds of `_STEPS` steps in each format, by round."""
        epoch = self.split.shuffled(
            self.settings.batch_size, seed=self.seed, epoch=0, device=self.device, world=self.ranks.world
        )
        batches = list(itertools.islice(epoch, _STEPS))
        buffers = {key: buffer.clone() for key, buffer in self.module.named_buffers()}
        training = self.module.training
        self.module.train()
        seconds: dict[Name, list[float]] = {name: [] for name in names}
        with forward_pass(self.module, self.settings.model_copy(update={"compile": False})):
            for _ in range(_ROUNDS + 1):
                for name in names:
                    seconds[name].append(self._round(Precision(name=name, reason="", device=self.device.type), batches))
        self.module.train(training)
        with torch.no_grad():
            for key, buffer in self.module.named_buffers():
                buffer.copy_(buffers[key])
        return {name: rounds[1:] for name, rounds in seconds.items()}

    def _round(self, precision: Precision, batches: Sequence[Batch]) -> float:
        """Seconds of a step on each batch."""
        began = self.clock()
        for batch in batches:
            with precision.autocast():
                loss = self.objective(self.module, batch)
            loss.backward()  # type: ignore[no-untyped-call]
        loss.item()
        took = self.clock() - began
        self.module.zero_grad(set_to_none=True)
        return took


def precision_of(trial: StepTrial, kept: Kept, *, steps: int, divided: bool) -> Precision:
    """The format of a run of so many steps: what the first rank finds, while the others wait for it.

    `divided`: the model lies on the ranks in parts, and may be too large to be tried whole. What `auto` found is kept,
    so a run that goes on decides alike, also on other ranks or under another strategy.
    """
    found = _of_first(trial, kept, steps, divided) if trial.ranks.first else None
    return agreed(found, trial.ranks, trial.device)


def _of_first(trial: StepTrial, kept: Kept, steps: int, divided: bool) -> Precision:
    setting, long = trial.settings.precision, steps >= ENOUGH
    told = kept.read() if setting == "auto" else None
    if told is not None:
        return Precision(**told, device=trial.device.type)
    found = choose_precision(
        setting,
        trial.device,
        trial if long else None,
        rounded=has_nodes(trial.module),
        world=trial.ranks.world,
        divided=divided and long,
    )
    if setting == "auto":
        kept.write({"name": found.name, "reason": found.reason})
    return found
