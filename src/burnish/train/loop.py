"""The training loop: one for fit, recovery, distillation and quantization-aware training.

Everything random in an epoch (order, augmentation, dropout) is a function of (seed, epoch), and
the state is written down after each epoch. So a run that was killed goes on from its last epoch
and ends with the same bits as one that was left alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.core.errors import BadData, RecipeError, TrainingFailed
from burnish.core.noun import Noun
from burnish.core.progress import Progress, Task
from burnish.data.split import Batch, Split, mix_seed
from burnish.model.weights import state
from burnish.train.checkpoint import EpochRecord, Saved, load_checkpoint, run_key, save_checkpoint
from burnish.train.device import choose_device, device_name, moved, repeatable
from burnish.train.optimizer import build_optimizer, load_optimizer_state, optimizer_state, set_rate
from burnish.train.precision import Precision, choose_precision
from burnish.train.schedules import factor
from burnish.train.settings import FitSettings, Objective

__all__ = ["EpochRecord", "FitResult", "Score", "fit"]

Score = Callable[[nn.Module], float]
"""Validation quality of a module; higher is better."""

_LOOK_EVERY = 20
"""Steps between two looks at the losses: a look waits for the device."""


class FitResult(Noun):
    """What a training run did. `best_epoch` counts from 0; None without a score.

    `stopped` says why it ended; `seconds` is the time spent, over all resumed parts.
    """

    epochs_run: float
    history: tuple[EpochRecord, ...]
    best_epoch: int | None
    steps: int
    seconds: float
    precision_reason: str
    device: str
    stopped: str


@dataclass
class _Run:
    """One training run: what it was told, then what changes."""

    module: nn.Module
    objective: Objective
    settings: FitSettings
    optimizer: Optimizer
    precision: Precision
    total: int
    cycle: int
    history: list[EpochRecord] = field(default_factory=list)
    best_epoch: int | None = None
    best: dict[str, Tensor] | None = None

    def factor(self, step: int) -> float:
        """What share of the peak rate the schedule gives."""
        settings = self.settings
        return factor(
            settings.schedule, step, total=self.total, warmup=settings.warmup, cycle=self.cycle, growth=settings.t_mult
        )

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


def fit(
    module: nn.Module,
    split: Split,
    *,
    objective: Objective,
    settings: FitSettings,
    seed: int,
    score: Score | None = None,
    checkpoint: Path | None = None,
    progress: Progress,
    label: str = "fit",
) -> FitResult:
    """Train `module` in place, on the device that the settings name; afterwards it is where it was.

    `score` rates the module after each epoch, for early stop and `keep_best`; without it the last
    weights stay. `checkpoint` is a file that belongs to this one call: if it holds a part of the
    same run (same settings, seed, data and starting weights) that run goes on. Fractional epochs
    train the first batches of the last epoch.

    Raises `TrainingFailed` when the loss or a weight is not finite, `Unsupported` when nothing is
    trainable, `BadData` without rows, `RecipeError` on patience without a score.
    """
    if len(split) == 0:
        raise BadData("no training rows", help="give a split with rows")
    if settings.patience and score is None:
        raise RecipeError("patience needs a validation score", where="patience", help="set patience to 0")
    began = time.monotonic()
    device = choose_device(settings.device)
    precision = choose_precision(settings.precision, device)
    per_epoch = split.num_batches(settings.batch_size)
    total = max(1, round(settings.epochs * per_epoch))
    stopped = "all epochs done"
    with moved(module, device), repeatable(device), progress.task(label, total) as bar:
        run = _Run(
            module,
            objective,
            settings,
            build_optimizer(module, settings),
            precision,
            total,
            round(settings.t_0 * per_epoch),
        )
        key = run_key(module, split, settings, seed, f"{precision.name} on {device.type}") if checkpoint else ""
        before = _resume(run, checkpoint, key, progress) if checkpoint else 0.0
        done = min(total, len(run.history) * per_epoch)
        bar.advance(done)
        while done < total:
            if run.out_of_patience():
                stopped = f"no better score for {settings.patience} epochs"
                break
            epoch = len(run.history)
            torch.manual_seed(mix_seed(seed, epoch, -2))
            steps = range(done, min(done + per_epoch, total))
            batches = split.shuffled(settings.batch_size, seed=seed, epoch=epoch, device=device)
            loss = _train_epoch(run, steps, batches, bar)
            _check_weights(module, epoch)
            value = score(module) if score else None
            run.history.append(EpochRecord(epoch=epoch, loss=loss, score=value))
            if value is not None:
                run.note_score(value)
            done = steps.stop
            if checkpoint:
                _write(run, checkpoint, key, before + time.monotonic() - began)
        if run.best is not None:
            module.load_state_dict(run.best)
    return FitResult(
        epochs_run=done / per_epoch,
        history=tuple(run.history),
        best_epoch=run.best_epoch,
        steps=done,
        seconds=before + time.monotonic() - began,
        precision_reason=precision.reason,
        device=device_name(device),
        stopped=stopped,
    )


def _train_epoch(run: _Run, steps: range, batches: Iterator[Batch], bar: Task) -> float:
    """One epoch; returns its mean loss."""
    settings = run.settings
    run.module.train()
    trainable = [p for group in run.optimizer.param_groups for p in group["params"]]
    last = run.history[-1].score if run.history else None
    losses: list[Tensor] = []
    rows: list[Tensor] = []
    summed = 0.0
    for step, batch in zip(steps, batches, strict=False):
        set_rate(run.optimizer, settings.learning_rate * run.factor(step))
        with run.precision.autocast():
            loss = run.objective(run.module, batch)
        run.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        if settings.clip_norm > 0:
            nn.utils.clip_grad_norm_(trainable, settings.clip_norm)
        run.optimizer.step()
        losses.append(loss.detach())
        rows.append(batch.rows)
        if len(losses) == _LOOK_EVERY or step == steps[-1]:
            values = _finite(losses, rows, epoch=len(run.history), first_step=step + 1 - len(losses))
            summed += math.fsum(values)
            mean = math.fsum(values) / len(values)
            bar.advance(len(values), f"loss {mean:.4f}" + ("" if last is None else f", score {last:.4f}"))
            losses.clear()
            rows.clear()
    return summed / len(steps)


def _finite(losses: list[Tensor], rows: list[Tensor], *, epoch: int, first_step: int) -> list[float]:
    """The losses as numbers. Raises `TrainingFailed` naming the first one that is not finite."""
    values: list[float] = torch.stack(losses).tolist()
    for index, value in enumerate(values):
        if not math.isfinite(value):
            shown = ", ".join(str(row) for row in rows[index][:8].tolist())
            more = ", ..." if len(rows[index]) > 8 else ""
            raise TrainingFailed(
                f"the loss is {value}",
                where=f"epoch {epoch}, step {first_step + index}, training rows {shown}{more}",
                why="the learning rate is too high, or these rows hold values that are not finite",
                help="lower learning_rate, or check the data",
            )
    return values


def _check_weights(module: nn.Module, epoch: int) -> None:
    for name, param in module.named_parameters():
        if param.is_floating_point() and not bool(torch.isfinite(param).all()):
            raise TrainingFailed(
                f"the parameter {name} is not finite", where=f"after epoch {epoch}", help="lower learning_rate"
            )


def _resume(run: _Run, checkpoint: Path, key: str, progress: Progress) -> float:
    """Put a saved part of this run into `run`; returns the seconds it took."""
    saved = load_checkpoint(checkpoint, key)
    if saved is None:
        return 0.0
    run.module.load_state_dict(saved.module)
    load_optimizer_state(run.optimizer, saved.optimizer)
    run.history = list(saved.history)
    run.best_epoch, run.best = saved.best_epoch, saved.best
    progress.say(f"resumed after epoch {len(run.history)} from {checkpoint.name}")
    return saved.seconds


def _write(run: _Run, checkpoint: Path, key: str, seconds: float) -> None:
    saved = Saved(
        module=state(run.module),
        optimizer=optimizer_state(run.optimizer),
        best=run.best,
        best_epoch=run.best_epoch,
        history=tuple(run.history),
        seconds=seconds,
    )
    save_checkpoint(checkpoint, key, saved)
