"""What ends a training that went wrong, on all of its ranks: losses and weights that are not finite."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from burnish.core.errors import TrainingFailed
from burnish.train.ranks import Ranks
from burnish.train.state import RunState


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Batches since the last look: their losses on this rank, their row numbers, and the norm of the gradients of
    those that ended a step, by their place, where it is known: the same on all ranks.
    """

    losses: list[Tensor]
    rows: list[Tensor]
    norms: Mapping[int, Tensor]


def finite(seen: Seen, ranks: Ranks, *, epoch: int, first_step: int) -> list[float]:
    """The losses of the global batches.

    Raises `TrainingFailed`, on all ranks, naming the first loss or gradient that is not finite.
    """
    each = ranks.each(torch.stack(seen.losses))
    values: list[float] = each.mean(0).tolist() if ranks.world > 1 else each[0].tolist()
    norms = dict(zip(seen.norms, torch.stack(list(seen.norms.values())).tolist(), strict=True)) if seen.norms else {}
    for index, value in enumerate(values):
        of_loss = not math.isfinite(value)
        if of_loss or not math.isfinite(norms.get(index, 0.0)):
            where = f"epoch {epoch}, step {first_step + index}"
            if not of_loss:
                raise TrainingFailed(
                    f"the gradients have a norm of {norms[index]}",
                    where=f"{where}, training rows {_shown(_of_step(seen, index))}" if ranks.world == 1 else where,
                    why="the loss is finite and its derivative is not, as that of a square root at 0, or far too large",
                    help="look at the loss for these rows, or lower learning_rate",
                )
            bad = int((~each[:, index].isfinite()).nonzero()[0])
            of = f"rank {bad}, " if ranks.world > 1 else ""
            raise TrainingFailed(
                f"the loss is {value}",
                where=f"{where}, {of}training rows {ranks.text(_shown(seen.rows[index].tolist()), of=bad)}",
                why="the learning rate is too high, or these rows hold values that are not finite",
                help="lower learning_rate, or check the data",
            )
    return values


def _of_step(seen: Seen, index: int) -> list[int]:
    """The rows of all batches whose gradients make the step that the batch `index` ends."""
    first = max((place + 1 for place in seen.norms if place < index), default=0)
    return [int(row) for batch in seen.rows[first : index + 1] for row in batch.tolist()]


def _shown(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows[:8])) + (", ..." if len(rows) > 8 else "")


def check_weights(run: RunState, epoch: int) -> None:
    """Raise `TrainingFailed`, on all ranks, naming the first parameter that is not finite."""
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
