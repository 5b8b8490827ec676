"""One training run while it goes on: what it was told, what changes, and how it is written down."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.core.progress import Progress
from burnish.model.weights import state
from burnish.train.average import Average
from burnish.train.checkpoint import EpochRecord, Saved, load_checkpoint, save_checkpoint
from burnish.train.optimizer import load_optimizer_state, optimizer_state
from burnish.train.precision import Precision
from burnish.train.schedules import factor
from burnish.train.settings import FitSettings, Objective
from burnish.train.weighting import Weighting


@dataclass
class RunState:
    """Told: all up to `cycle` (steps of the first cycle of the schedule). The rest changes with every epoch."""

    module: nn.Module
    objective: Objective
    settings: FitSettings
    optimizer: Optimizer
    precision: Precision
    average: Average | None
    weighting: Weighting | None
    total: int
    cycle: int
    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int | None = None
    best: dict[str, Tensor] | None = None

    def rate(self, step: int) -> float:
        """The learning rate at a step."""
        told = self.settings
        share = factor(told.schedule, step, total=self.total, warmup=told.warmup, cycle=self.cycle, growth=told.t_mult)
        return told.learning_rate * share

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Within the block the module has the weights that count: their average where there is one."""
        return contextlib.nullcontext() if self.average is None else self.average.in_place()

    def note_score(self, score: float) -> None:
        """Remember the epoch just recorded if it is the best; a tie keeps the earlier one."""
        best = None if self.best_epoch is None else self.history[self.best_epoch].score
        if best is None or score > best:
            self.best_epoch = len(self.history) - 1
            if self.settings.keep_best:
                self.best = {name: t.clone() for name, t in state(self.module).items()}

    def out_of_patience(self) -> bool:
        """Whether the last `patience` epochs brought nothing better."""
        patience = self.settings.patience
        return patience > 0 and self.best_epoch is not None and len(self.history) - 1 - self.best_epoch >= patience

    def finish(self) -> None:
        """Give the module the weights that it ends with: the best, else the average, else the last."""
        if self.best is not None:
            self.module.load_state_dict(self.best)
        elif self.average is not None:
            self.average.swap()

    def resume(self, checkpoint: Path, key: str, progress: Progress) -> float:
        """Put a saved part of this run into this state; returns the seconds it took."""
        saved = load_checkpoint(checkpoint, key)
        if saved is None:
            return 0.0
        self.module.load_state_dict(saved.module)
        load_optimizer_state(self.optimizer, saved.optimizer)
        if self.average is not None:
            self.average.load(saved.average)
        if self.weighting is not None:
            self.weighting.load(saved.weighting)
        self.history = list(saved.history)
        self.best_epoch, self.best = saved.best_epoch, saved.best
        progress.say(f"resumed after epoch {len(self.history)} from {checkpoint.name}")
        return saved.seconds

    def write(self, checkpoint: Path, key: str, seconds: float) -> None:
        """Write everything that the run needs to go on. Raises `OutputError`."""
        saved = Saved(
            module=state(self.module),
            optimizer=optimizer_state(self.optimizer),
            average={} if self.average is None else self.average.values,
            weighting={} if self.weighting is None else self.weighting.state(),
            best=self.best,
            best_epoch=self.best_epoch,
            history=tuple(self.history),
            seconds=seconds,
        )
        save_checkpoint(checkpoint, key, saved)
