"""Single: one process holds everything; what a run without torchrun does."""

from __future__ import annotations

import torch
from torch import nn

from burnish.train.memory import ModelSize, StateBytes, replicated
from burnish.train.strategy import Strategy


class Single(Strategy):
    """Adds nothing."""

    name = "single"
    sharding = 0

    def wrap(self, module: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
        """See `Strategy.wrap`."""
        del device
        return module, module

    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """See `Strategy.predict`."""
        del world
        return replicated(size)


PART = Single
