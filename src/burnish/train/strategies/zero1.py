"""ZeRO-1: as DDP, but each rank keeps the optimizer state of a part of the parameters and makes their step.

Whole parameters are dealt out, so every optimizer works. Source: Rajbhandari et al., "ZeRO: memory optimizations
toward training trillion parameter models" (SC 2020); torch's ZeroRedundancyOptimizer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.distributed.optim import ZeroRedundancyOptimizer
from torch.optim import Optimizer

from burnish.core.doors import OPTIMIZERS
from burnish.train.memory import ModelSize, StateBytes, replicated
from burnish.train.optimizer import groups_of, load_optimizer_state, optimizer_state
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings
from burnish.train.strategies.ddp import Ddp


class Zero1(Ddp):
    """DistributedDataParallel with a ZeroRedundancyOptimizer around the optimizer that was asked for."""

    name = "zero1"
    sharding = 2

    def optimizer(self, work: nn.Module, settings: FitSettings) -> Optimizer:
        """See `Strategy.optimizer`."""
        make = OPTIMIZERS.get(settings.optimizer)

        def local(groups: Any, lr: float) -> Optimizer:
            del lr
            made: Optimizer = make(groups, settings)
            return made

        return ZeroRedundancyOptimizer(groups_of(work, settings), local, lr=settings.learning_rate)  # type: ignore[arg-type]

    def kept(self, optimizer: Optimizer) -> Optimizer:
        """See `Strategy.kept`."""
        assert isinstance(optimizer, ZeroRedundancyOptimizer)
        kept: Optimizer = optimizer.optim
        return kept

    def optimizer_state(self, optimizer: Optimizer, ranks: Ranks) -> dict[str, Tensor]:
        """See `Strategy.optimizer_state`."""
        numbers, mine = _numbers(optimizer), self.kept(optimizer)
        here = {}
        for key, value in optimizer_state(mine).items():
            index, _, name = key.partition(".")
            here[f"{numbers[id(_params(mine)[int(index)])]}.{name}"] = value
        found: dict[str, Tensor] = {}
        for rank in range(ranks.world):
            tensors = dict(ranks.hand_out(here if rank == ranks.rank else {}, of=rank))
            found |= tensors if ranks.first else {}
        return found

    def load_optimizer_state(self, optimizer: Optimizer, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
        """See `Strategy.load_optimizer_state`."""
        numbers, mine = _numbers(optimizer), self.kept(optimizer)
        here = {numbers[id(param)]: place for place, param in enumerate(_params(mine))}
        parts = {}
        for key, value in ranks.hand_out(tensors):
            index, _, name = key.partition(".")
            if int(index) in here:
                parts[f"{here[int(index)]}.{name}"] = value
        load_optimizer_state(mine, parts)

    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """See `Strategy.predict`. Dealt as ZeroRedundancyOptimizer does: largest first, to who has least."""
        loads, states = [0] * world, [0.0] * world
        for weight in sorted((w for w in size.weights if w.trainable), key=lambda w: -w.bytes):
            rank = loads.index(min(loads))
            loads[rank] += weight.bytes
            states[rank] += weight.state_bytes
        return replicated(size).model_copy(update={"optimizer": max(states)})


def _params(optimizer: Optimizer) -> list[Tensor]:
    return [param for group in optimizer.param_groups for param in group["params"]]


def _numbers(optimizer: Optimizer) -> dict[int, int]:
    """The number of each parameter among all, by its identity."""
    return {id(param): number for number, param in enumerate(_params(optimizer))}


PART = Zero1
