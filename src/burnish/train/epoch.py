"""One epoch of the training loop: its steps, the looks at its losses, and the moments to write it down."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from burnish.core.progress import Task
from burnish.data.split import Batch
from burnish.train.guard import Seen, check_weights, finite
from burnish.train.optimizer import set_rate
from burnish.train.state import RunState
from burnish.train.strategy import Strategy
from burnish.train.watch import Watch

_LOOK_EVERY = 20
"""Steps between two looks at the losses: a look waits for the device."""

_SURELY = 0.999
"""Of the limit: a smaller norm gives a factor of 1, however it is rounded."""


def train_epoch(
    run: RunState, steps: range, batches: Iterator[Batch], bar: Task, watch: Watch, save: Callable[[], None]
) -> float:
    """What is left of one epoch; returns the mean loss of all of it. `save` writes the run down."""
    settings, strategy, ranks = run.settings, run.strategy, run.ranks
    run.module.train()
    trainable = [param for param in run.module.parameters() if param.requires_grad]
    last = run.history[-1].score if run.history else None
    losses: list[Tensor] = []
    rows: list[Tensor] = []
    norms: dict[int, Tensor] = {}
    for step, batch in zip(steps[len(run.losses) :], batches, strict=False):
        number = (step - steps.start) % settings.accumulate
        together = min(settings.accumulate, steps.stop - (step - number))
        if run.weighting is not None:
            run.weighting.share = step / run.total
        if number == 0:
            for param in trainable:
                param.grad = None
        with strategy.exchange(run.called, last=number == together - 1):
            with run.precision.autocast():
                loss = run.objective(run.called, batch)
            if ranks.world > 1:
                loss = loss * (batch.share * ranks.world)
            run.scaler.scale(loss if together == 1 else loss / together).backward()  # type: ignore[no-untyped-call]
        if number == together - 1:
            set_rate(run.optimizer, run.rate(step))
            if settings.clip_norm > 0:
                run.scaler.unscale_(run.optimizer)
                norm = _clip(trainable, settings.clip_norm, strategy)
                if norm is not None and not run.scaler.is_enabled():  # a scaler skips steps that overflow
                    norms[len(losses)] = norm
            run.step()
            if run.average is not None:
                run.average.update(step)
        losses.append(loss.detach())
        rows.append(batch.rows)
        last_step = step == steps[-1]
        look = len(losses) == _LOOK_EVERY or last_step
        due = number == together - 1 and not last_step and watch.since_mark() >= settings.save_every_s
        if ranks.world > 1:  # the first rank's clock decides, and only where all ranks meet anyway
            due = look and not last_step and number == together - 1 and bool(ranks.value(float(due)))
        if look or due:
            seen = Seen(losses=losses, rows=rows, norms=norms)
            values = finite(seen, ranks, epoch=len(run.history), first_step=step + 1 - len(losses))
            run.losses += values
            mean = math.fsum(values) / len(values)
            bar.advance(len(values), f"loss {mean:.4f}" + ("" if last is None else f", score {last:.4f}"))
            losses.clear()
            rows.clear()
            norms.clear()
        if due:
            check_weights(run, len(run.history))
            save()
    whole, run.losses = math.fsum(run.losses) / len(steps), []
    return whole


def _clip(params: list[nn.Parameter], limit: float, strategy: Strategy) -> Tensor | None:
    """Scale the gradients down to a norm of at most `limit`, taken over all parameters on all ranks; what it was."""
    grads = [param.grad for param in params if param.grad is not None]
    if not grads:
        return None
    norm = strategy.whole(torch.linalg.vector_norm(torch.stack(torch._foreach_norm(grads))))
    if norm.device.type == "cpu" and float(norm) < _SURELY * limit:
        return norm
    torch._foreach_mul_(grads, (limit / (norm + 1e-6)).clamp(max=1.0))
    return norm
