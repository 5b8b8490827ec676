"""One training run while it goes on: what it was told, what changes, and how it is written down."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
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
from burnish.train.checkpoint import EpochRecord, Saved, Within, load_checkpoint
from burnish.train.precision import Precision
from burnish.train.ranks import Ranks
from burnish.train.schedules import factor
from burnish.train.settings import FitSettings, Objective
from burnish.train.strategy import Strategy
from burnish.train.weighting import Weighting
from burnish.train.writer import Writer


@dataclass
class RunState:
    """Told: all up to `cycle` (steps of the first cycle of the schedule). The rest changes.

    `losses` are those of the epoch that goes on, and so say how many of its batches are done.
    `module` has the weights; `called` is what the objective calls, which may exchange gradients with other ranks.
    """

    module: nn.Module
    called: nn.Module
    strategy: Strategy
    ranks: Ranks
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
    _random: dict[str, Tensor] = field(default_factory=dict)

    def step(self) -> None:
        """An optimizer step, unless scaled gradients overflowed: then the scale is lowered and the step counted."""
        if not self.scaler.is_enabled():
            self.optimizer.step()
            return
        before = self.scaler.get_scale()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.skipped += self.scaler.get_scale() < before

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
        """Put a saved part of this run into this state; returns the seconds it took. The first rank reads it."""
        saved = load_checkpoint(checkpoint, key, progress) if self.ranks.first else None
        told = json.loads(self.ranks.text(json.dumps(None if saved is None else _told(saved))))
        if told is None:
            return 0.0
        live = state(self.module)
        self.module.load_state_dict(self._spread(saved.module if saved else None, live))
        self.strategy.load_optimizer_state(self.optimizer, saved.optimizer if saved else {}, self.ranks)
        if self.average is not None:
            averages = self._spread(saved.average if saved else None, live)
            self.average.load({name: self.strategy.local(tensor) for name, tensor in averages.items()})
        if self.weighting is not None:
            self.weighting.load(dict(self.ranks.hand_out(saved.weighting if saved else {})))
        self.scaler.load_state_dict(told["scaler"])
        self.skipped, self.losses = told["skipped"], told["losses"]
        self._random = dict(self.ranks.hand_out(saved.within.random if saved and saved.within else {}))
        self.history = [EpochRecord.parse(record) for record in told["history"]]
        self.best_epoch = told["best_epoch"]
        self.best = self._spread(saved.best if saved else None, live) if told["best_kept"] else None
        place = f" and {len(self.losses)} batches" if self.losses else ""
        progress.say(f"resumed after epoch {len(self.history)}{place} from {checkpoint.name}")
        return float(told["seconds"])

    def start_epoch(self, seed: int) -> None:
        """Set torch's random states: as the seed says, or as they were saved within the epoch on as many ranks."""
        number = mix_seed(seed, len(self.history), -2 - self.ranks.rank)
        if self.precision.device == "cpu":
            torch.default_generator.manual_seed(number)  # torch's own takes a millisecond to look for other devices
        else:
            torch.manual_seed(number)
        kept = {kind: self._random.get(f"{kind}/{self.ranks.world}") for kind in ("cpu", "cuda")}
        if kept["cpu"] is not None:  # torch reads from the start of a tensor's memory, so a part of one ends in a crash
            torch.set_rng_state(kept["cpu"][self.ranks.rank].clone())
        if kept["cuda"] is not None:
            torch.cuda.set_rng_state(kept["cuda"][self.ranks.rank].clone())
        self._random = {}

    def write(self, writer: Writer, key: str, seconds: float) -> None:
        """Write everything that the run needs to go on. The first rank writes whole tensors.

        Raises `OutputError` when the write before failed.
        """
        random = {f"cpu/{self.ranks.world}": self.ranks.each(torch.get_rng_state())}
        if self.precision.device == "cuda":
            random[f"cuda/{self.ranks.world}"] = self.ranks.each(torch.cuda.get_rng_state())
        losses = torch.tensor(self.losses, dtype=torch.float64)
        live = state(self.module)
        averages = {} if self.average is None else self.average.values
        best = None if self.best is None else self.strategy.gather(self.best, self.ranks)
        saved = Saved(
            module=self.strategy.gather(live, self.ranks),
            optimizer=self.strategy.optimizer_state(self.optimizer, self.ranks),
            average=self.strategy.gather(
                {k: self.strategy.joined(t, live[k]) for k, t in averages.items()}, self.ranks
            ),
            scaler=self.scaler.state_dict(),
            skipped=self.skipped,
            weighting={} if self.weighting is None else self.weighting.state(),
            best=best,
            best_epoch=self.best_epoch,
            history=tuple(self.history),
            seconds=seconds,
            within=Within(losses=losses, random=random) if self.losses else None,
        )
        if self.ranks.first:
            writer.write(key, saved)

    def _spread(self, tensors: Mapping[str, Tensor] | None, live: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return self.strategy.spread(tensors or {}, live, self.ranks)


def _told(saved: Saved) -> dict[str, object]:
    """What is no tensor."""
    return {
        "scaler": dict(saved.scaler),
        "skipped": saved.skipped,
        "losses": saved.within.losses.tolist() if saved.within else [],
        "history": [record.model_dump() for record in saved.history],
        "best_epoch": saved.best_epoch,
        "best_kept": saved.best is not None,
        "seconds": saved.seconds,
    }
