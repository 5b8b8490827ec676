"""One training run while it goes on: what it was told, what changes, and how it is written down."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.amp import GradScaler
from torch.optim import Optimizer

from burnish.core.progress import Progress
from burnish.data.order import mix_seed
from burnish.model.weights import state
from burnish.train.average import Average
from burnish.train.checkpoint import EpochRecord, Saved, Within, load_checkpoint, save_checkpoint
from burnish.train.optimizer import load_optimizer_state, optimizer_state
from burnish.train.precision import Precision
from burnish.train.schedules import factor
from burnish.train.settings import FitSettings, Objective
from burnish.train.weighting import Weighting


@dataclass
class RunState:
    """Told: all up to `cycle` (steps of the first cycle of the schedule). The rest changes.

    `losses` are those of the epoch that goes on, and so say how many of its batches are done.
    """

    module: nn.Module
    objective: Objective
    settings: FitSettings
    optimizer: Optimizer
    precision: Precision
    scaler: GradScaler
    average: Average | None
    weighting: Weighting | None
    total: int
    cycle: int
    history: list[EpochRecord] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    best: dict[str, Tensor] | None = None
    skipped: int = 0

    def step(self) -> None:
        """An optimizer step, unless scaled gradients overflowed: then the scale is lowered and the step counted."""
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.skipped += self.scaler.get_scale() < before

    _random: dict[str, Tensor] = field(default_factory=dict)

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
        self.scaler.load_state_dict(dict(saved.scaler))
        self.history, self.skipped = list(saved.history), saved.skipped
        if self.weighting is not None:
            self.weighting.load(saved.weighting)
        self.best_epoch, self.best = saved.best_epoch, saved.best
        place = f"after epoch {len(self.history)}"
        if saved.within is not None:
            self.losses = saved.within.losses.tolist()
            self._random = dict(saved.within.random)
            place += f" and {len(self.losses)} batches"
        progress.say(f"resumed {place} from {checkpoint.name}")
        return saved.seconds

    def start_epoch(self, seed: int) -> None:
        """Set torch's random states: as the seed says, or as they were saved within the epoch."""
        torch.manual_seed(mix_seed(seed, len(self.history), -2))
        if "cpu" in self._random:
            torch.set_rng_state(self._random["cpu"])
        if "cuda" in self._random:
            torch.cuda.set_rng_state(self._random["cuda"])
        self._random = {}

    def write(self, checkpoint: Path, key: str, seconds: float) -> None:
        """Write everything that the run needs to go on. Raises `OutputError`."""
        random = {"cpu": torch.get_rng_state()}
        if self.precision.device == "cuda":
            random["cuda"] = torch.cuda.get_rng_state()
        losses = torch.tensor(self.losses, dtype=torch.float64)
        saved = Saved(
            module=state(self.module),
            optimizer=optimizer_state(self.optimizer),
            average={} if self.average is None else self.average.values,
            scaler=self.scaler.state_dict(),
            skipped=self.skipped,
            weighting={} if self.weighting is None else self.weighting.state(),
            best=self.best,
            best_epoch=self.best_epoch,
            history=tuple(self.history),
            seconds=seconds,
            within=Within(losses=losses, random=random) if self.losses else None,
        )
        save_checkpoint(checkpoint, key, saved)
