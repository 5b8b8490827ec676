"""The training loop: one for fit, recovery, distillation and quantization-aware training.

Everything random in an epoch (order, augmentation, dropout) is a function of (seed, epoch), and
the state is written down after each epoch. So a run that was killed goes on from its last epoch
and ends with the same bits as one that was left alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from burnish.core.errors import BadData, RecipeError, TrainingFailed
from burnish.core.noun import Noun
from burnish.core.progress import Progress, Task
from burnish.data.split import Batch, Split, mix_seed
from burnish.train.average import Average
from burnish.train.checkpoint import EpochRecord, run_key
from burnish.train.deal import dealt
from burnish.train.device import choose_device, device_name, moved, repeatable
from burnish.train.memory import StateBytes, measured_state, model_size
from burnish.train.optimizer import set_rate
from burnish.train.precision import choose_precision
from burnish.train.ranks import Ranks, current_ranks
from burnish.train.settings import FitSettings, Objective
from burnish.train.state import RunState
from burnish.train.strategy import Strategy, choose_strategy

__all__ = ["EpochRecord", "FitResult", "Score", "fit"]

Score = Callable[[nn.Module], float]
"""Validation quality of a module; higher is better."""

_LOOK_EVERY = 20
"""Steps between two looks at the losses: a look waits for the device."""


class FitResult(Noun):
    """What a training run did. `best_epoch` counts from 0; None without a score.

    `stopped` says why it ended; `seconds` is the time spent, over all resumed parts. On several ranks, `predicted` and
    `measured` are the bytes of model state of the first one.
    """

    epochs_run: float
    history: tuple[EpochRecord, ...]
    best_epoch: int | None
    steps: int
    seconds: float
    precision_reason: str
    device: str
    stopped: str
    strategy: str = "single"
    ranks: int = 1
    predicted: StateBytes | None = None
    measured: StateBytes | None = None


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
    train the first batches of the last epoch. Within `ranks.joined` all ranks call this with the same arguments and
    train together; the checkpoint belongs to the first one.

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
    ranks = current_ranks()
    strategy = choose_strategy(settings.strategy, ranks)
    predicted = measured = None
    per_epoch = split.num_batches(settings.batch_size)
    total = max(1, round(settings.epochs * per_epoch))
    stopped = "all epochs done"
    with moved(module, device), repeatable(device), progress.task(label, total) as bar:
        key = run_key(module, split, settings, seed, f"{precision.name} on {device.type}") if checkpoint else ""
        if ranks.world > 1:
            predicted = strategy.predict(model_size(module, settings.optimizer), ranks.world)
        work, called = strategy.wrap(module, device)
        run = RunState(
            module=work,
            called=called,
            strategy=strategy,
            ranks=ranks,
            objective=objective,
            settings=settings,
            optimizer=strategy.optimizer(work, settings),
            precision=precision,
            average=Average(work, settings.ema, strategy.local) if settings.ema else None,
            total=total,
            cycle=round(settings.t_0 * per_epoch),
        )
        before = run.resume(checkpoint, key, progress) if checkpoint else 0.0
        done = min(total, len(run.history) * per_epoch)
        bar.advance(done)
        while done < total:
            if run.out_of_patience():
                stopped = f"no better score for {settings.patience} epochs"
                break
            epoch = len(run.history)
            torch.manual_seed(mix_seed(seed, epoch, -2 - ranks.rank))
            steps = range(done, min(done + per_epoch, total))
            batches = dealt(split, settings.batch_size, seed=seed, epoch=epoch, device=device, ranks=ranks)
            loss = _train_epoch(run, steps, batches, bar)
            _check_weights(run, epoch)
            if predicted is not None and measured is None:
                measured = measured_state(work, strategy.kept(run.optimizer), strategy.local)
                progress.say(_memory(strategy.name, ranks, predicted, measured))
            strategy.average_buffers(work, ranks)
            with run.averaged():
                value = ranks.value(score(work)) if score else None
                run.history.append(EpochRecord(epoch=epoch, loss=loss, score=value))
                if value is not None:
                    run.note_score(value)
            done = steps.stop
            if checkpoint:
                run.write(checkpoint, key, before + time.monotonic() - began)
        run.finish()
        strategy.unwrap(work, module)
    return FitResult(
        epochs_run=done / per_epoch,
        history=tuple(run.history),
        best_epoch=run.best_epoch,
        steps=done,
        seconds=before + time.monotonic() - began,
        precision_reason=precision.reason,
        device=device_name(device),
        stopped=stopped,
        strategy=strategy.name,
        ranks=ranks.world,
        predicted=predicted,
        measured=measured,
    )


def _train_epoch(run: RunState, steps: range, batches: Iterator[tuple[Batch, float]], bar: Task) -> float:
    """One epoch; returns its mean loss."""
    settings, strategy = run.settings, run.strategy
    run.module.train()
    trainable = [p for group in run.optimizer.param_groups for p in group["params"]]
    last = run.history[-1].score if run.history else None
    losses: list[Tensor] = []
    rows: list[Tensor] = []
    summed = 0.0
    for step, (batch, share) in zip(steps, batches, strict=False):
        number = (step - steps.start) % settings.accumulate
        together = min(settings.accumulate, steps.stop - (step - number))
        if number == 0:
            run.optimizer.zero_grad(set_to_none=True)
        with strategy.exchange(run.called, last=number == together - 1):
            with run.precision.autocast():
                loss = run.objective(run.called, batch)
            if share != 1.0:
                loss = loss * share
            (loss if together == 1 else loss / together).backward()  # type: ignore[no-untyped-call]
        if number == together - 1:
            set_rate(run.optimizer, run.rate(step))
            if settings.clip_norm > 0:
                clip(trainable, settings.clip_norm, strategy)
            run.optimizer.step()
            if run.average is not None:
                run.average.update(step)
        losses.append(loss.detach())
        rows.append(batch.rows)
        if len(losses) == _LOOK_EVERY or step == steps[-1]:
            values = _finite(losses, rows, run.ranks, epoch=len(run.history), first_step=step + 1 - len(losses))
            summed += math.fsum(values)
            mean = math.fsum(values) / len(values)
            bar.advance(len(values), f"loss {mean:.4f}" + ("" if last is None else f", score {last:.4f}"))
            losses.clear()
            rows.clear()
    return summed / len(steps)


def clip(params: list[nn.Parameter], limit: float, strategy: Strategy) -> None:
    """Scale the gradients down to a norm of at most `limit`, taken over all parameters on all ranks."""
    grads = [param.grad for param in params if param.grad is not None]
    norm = strategy.whole(nn.utils.get_total_norm(grads))
    nn.utils.clip_grads_with_norm_(params, limit, norm)


def _finite(losses: list[Tensor], rows: list[Tensor], ranks: Ranks, *, epoch: int, first_step: int) -> list[float]:
    """The losses of the global batches. Raises `TrainingFailed`, on all ranks, naming the first that is not finite."""
    each = ranks.each(torch.stack(losses))
    values: list[float] = each.mean(0).tolist() if ranks.world > 1 else each[0].tolist()
    for index, value in enumerate(values):
        if not math.isfinite(value):
            bad = int((~each[:, index].isfinite()).nonzero()[0])
            of = f"rank {bad}, " if ranks.world > 1 else ""
            shown = ", ".join(str(row) for row in rows[index][:8].tolist())
            shown = ranks.text(shown + (", ..." if len(rows[index]) > 8 else ""), of=bad)
            raise TrainingFailed(
                f"the loss is {value}",
                where=f"epoch {epoch}, step {first_step + index}, {of}training rows {shown}",
                why="the learning rate is too high, or these rows hold values that are not finite",
                help="lower learning_rate, or check the data",
            )
    return values


def _check_weights(run: RunState, epoch: int) -> None:
    bad = ""
    for name, param in run.module.named_parameters():
        if param.is_floating_point() and not bool(torch.isfinite(run.strategy.local(param.detach())).all()):
            bad = name
            break
    found = run.ranks.each(torch.tensor(bool(bad))).nonzero()
    if len(found):
        of = f", rank {int(found[0])}" if run.ranks.world > 1 else ""
        raise TrainingFailed(
            f"the parameter {run.ranks.text(bad, of=int(found[0]))} is not finite",
            where=f"after epoch {epoch}{of}",
            help="lower learning_rate",
        )


def _memory(name: str, ranks: Ranks, predicted: StateBytes, measured: StateBytes) -> str:
    """One line: what was foreseen beside what there is."""
    return (
        f"{name} on {ranks.world} ranks: model state of a rank {predicted.lasting / 1e6:.2f} MB predicted, "
        f"{measured.lasting / 1e6:.2f} MB measured"
    )
