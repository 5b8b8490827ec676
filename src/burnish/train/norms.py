"""Statistics of BatchNorm, measured anew: after a surgery, after a training, with rounding in place."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import islice

import torch
from torch import nn

from burnish.core.progress import Progress, Task
from burnish.data.split import Batch, Split
from burnish.model.variant import call
from burnish.train.device import choose_device, moved
from burnish.train.settings import FitSettings

_Norm = nn.modules.batchnorm._BatchNorm

_ENOUGH, _ROWS = 80, 10_240
"""Batches for a measurement, and the most rows: a running average with torch's momentum of 0.1 knows no more than the
last 19 batches."""


def norms(module: nn.Module) -> list[_Norm]:
    """The BatchNorm layers that keep running statistics."""
    return [part for part in module.modules() if isinstance(part, _Norm) and part.track_running_stats]


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Batch]) -> int:
    """Replace running statistics by the plain average over `batches`, in place; how many layers.

    Dropout and everything else stay in evaluation mode. Give it rows as they are trained on: augmentation shifts
    them by more than a network bears. torch's `update_bn` would leave dropout on.
    Source: Wu & Johnson, "Rethinking 'Batch' in BatchNorm" (2021), section 3.
    """
    found = norms(module)
    if not found:
        return 0
    module.eval()
    before = [norm.momentum for norm in found]
    for norm in found:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for batch in batches:
        call(module, batch.inputs)
    for norm, momentum in zip(found, before, strict=True):
        norm.momentum = momentum
    module.eval()
    return len(found)


def settle(
    module: nn.Module, rows: Split, settings: FitSettings, *, seed: int, epoch: int, progress: Progress, label: str
) -> None:
    """Recalibrate over the first batches of an epoch of training, on the device of the settings."""
    if not norms(module):
        return
    device = choose_device(settings.device)
    count = min(_ENOUGH, math.ceil(_ROWS / settings.batch_size), rows.num_batches(settings.batch_size))
    drawn = rows.shuffled(settings.batch_size, seed=seed, epoch=epoch, device=device)
    with moved(module, device), progress.task(label, count) as bar, closing(drawn):
        recalibrate(module, _counted(islice(drawn, count), bar))


def _counted(batches: Iterable[Batch], bar: Task) -> Iterator[Batch]:
    for batch in batches:
        yield batch
        bar.advance()
