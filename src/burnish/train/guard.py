"""What ends a training that went wrong, on all of its ranks: losses and weights that are not finite."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from burnish.core.errors import TrainingFailed
from burnish.train.ranks import Ranks
from burnish.train.state import RunState


def finite(losses: list[Tensor], rows: list[Tensor], ranks: Ranks, *, epoch: int, first_step: int) -> list[float]:
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
