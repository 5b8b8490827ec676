"""BatchNorm statistics after surgery: the old running means belong to the old activations."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from burnish.data.split import Batch
from burnish.model.variant import call


@torch.no_grad()
def recalibrate(module: nn.Module, batches: Iterable[Batch]) -> int:
    """Replace running statistics by the plain average over `batches`, in place; how many layers.

    Dropout and everything else stay in evaluation mode.
    """
    norms = [
        part
        for part in module.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm) and part.track_running_stats
    ]
    if not norms:
        return 0
    module.eval()
    before = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
        norm.train()
    for batch in batches:
        call(module, batch.inputs)
    for norm, momentum in zip(norms, before, strict=True):
        norm.momentum = momentum
    module.eval()
    return len(norms)
