"""DDP: every rank holds everything and trains on its part of the batch; gradients are averaged.

The quickest of all where the model fits. Normalization layers take the statistics of the whole batch on GPUs
(SyncBatchNorm); on processors each rank those of its own rows.
Source: Li et al., "PyTorch Distributed: experiences on accelerating data parallel training" (VLDB 2020).
"""

from __future__ import annotations

import contextlib
import warnings

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from burnish.train.memory import ModelSize, StateBytes, replicated
from burnish.train.strategy import Strategy, batch_statistics, twin


class Ddp(Strategy):
    """torch's DistributedDataParallel."""

    name = "ddp"
    sharding = 1

    def wrap(self, module: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
        """See `Strategy.wrap`. A parameter without a gradient stays without one, as in one process."""
        work = batch_statistics(twin(module), device)
        with warnings.catch_warnings():  # `broadcast_buffers` gets another name, which the oldest torch lacks
            warnings.simplefilter("ignore", FutureWarning)
            called = DistributedDataParallel(
                work,
                device_ids=[device] if device.type == "cuda" else None,
                broadcast_buffers=False,
                gradient_as_bucket_view=True,
                find_unused_parameters=True,
            )
        return work, called

    def exchange(self, called: nn.Module, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """See `Strategy.exchange`: gradients travel once a step."""
        assert isinstance(called, DistributedDataParallel)
        return contextlib.nullcontext() if last else called.no_sync()

    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """See `Strategy.predict`."""
        del world
        return replicated(size)


PART = Ddp
