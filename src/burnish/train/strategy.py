"""What a strategy is: how weights, gradients and optimizer state lie on the ranks of a run.

Whatever the strategy, gradients are those of one process on the whole global batch, and the state that is written
down is the same, so a run may go on under another strategy or on another number of ranks.
"""

from __future__ import annotations

import contextlib
import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.core.doors import STRATEGIES
from burnish.core.errors import MissingExtra
from burnish.model.fake_quant import has_nodes
from burnish.train.memory import ModelSize, StateBytes
from burnish.train.optimizer import build_optimizer, load_optimizer_state, optimizer_state
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings


class Strategy(ABC):
    """Base of all strategies. The defaults are those of ranks that hold everything.

    `sharding` orders them: the more is divided among the ranks, the higher. Methods without `ranks` in their
    arguments need no other rank.
    """

    name: ClassVar[str]
    sharding: ClassVar[int]
    extra: ClassVar[str] = ""
    """The package, and extra of that name, without which it cannot run. `auto` and plans leave such a strategy out."""

    @abstractmethod
    def wrap(self, module: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
        """The module that is trained, with the names of `module`, and what is called in its place."""

    @abstractmethod
    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """Bytes on the rank that holds most."""

    def unwrap(self, work: nn.Module, module: nn.Module) -> None:
        """Give `module` the weights of `work`, which `wrap` made of it; by default they are the same tensors."""
        del work, module

    def optimizer(self, work: nn.Module, settings: FitSettings) -> Optimizer:
        """The optimizer of what this rank keeps in step."""
        return build_optimizer(work, settings)

    def kept(self, optimizer: Optimizer) -> Optimizer:
        """The optimizer whose state lies on this rank."""
        return optimizer

    def exchange(self, called: nn.Module, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """Around forward and backward pass of one of the batches that make a step; `last`: the step follows."""
        del called, last
        return contextlib.nullcontext()

    def local(self, tensor: Tensor) -> Tensor:
        """The part of a tensor of the trained module that lies on this rank, sharing its memory."""
        return tensor

    def whole(self, tensor: Tensor) -> Tensor:
        """All of a tensor of the trained module or its optimizer, put together from all ranks."""
        return tensor

    def part(self, tensor: Tensor, like: Tensor) -> Tensor:
        """The inverse of `whole`: a tensor that lies on the ranks as `like` does."""
        del like
        return tensor

    def joined(self, local: Tensor, like: Tensor) -> Tensor:
        """The inverse of `local`, for a tensor that lies on the ranks as `like` does."""
        del like
        return local

    def optimizer_state(self, optimizer: Optimizer, ranks: Ranks) -> dict[str, Tensor]:
        """As in `train.optimizer.optimizer_state`, with whole tensors on the first rank, empty on the others."""
        return self.gather(optimizer_state(optimizer), ranks)

    def load_optimizer_state(self, optimizer: Optimizer, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
        """The inverse of `optimizer_state`; ranks but the first give an empty mapping."""
        params = [p for group in optimizer.param_groups for p in group["params"]]
        parts: dict[str, Tensor] = {}
        for key, value in ranks.hand_out(tensors):
            param = params[int(key.partition(".")[0])]
            parts[key] = self.part(value, param) if value.shape == param.shape else value
        load_optimizer_state(optimizer, parts)

    def gather(self, tensors: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
        """Whole tensors on the first rank; empty on the others, which only help to put them together.

        What is put together goes to the processor's memory, so the device holds one of them at a time.
        """
        found: dict[str, Tensor] = {}
        for name, tensor in tensors.items():
            value = self.whole(tensor)
            if ranks.first:
                found[name] = value if value is tensor else value.cpu()
        return found

    def spread(self, tensors: Mapping[str, Tensor], like: Mapping[str, Tensor], ranks: Ranks) -> dict[str, Tensor]:
        """The inverse of `gather`: tensors that lie on the ranks as those of the same name in `like`."""
        return {name: self.part(value, like[name]) for name, value in ranks.hand_out(tensors)}

    def average_buffers(self, work: nn.Module, ranks: Ranks) -> None:
        """Make statistics of normalization layers the same on all ranks: their mean."""
        if ranks.world == 1:
            return
        for buffer in work.buffers():
            if buffer.is_floating_point():
                buffer.copy_(ranks.each(buffer).mean(0))


def strategy_called(name: str) -> Strategy:
    """The strategy of that name. Raises `UnknownName`, and `MissingExtra` where its package is not installed."""
    made: Strategy = STRATEGIES.get(name)()
    if made.extra and find_spec(made.extra) is None:
        raise MissingExtra(
            f"the strategy {name} needs the package {made.extra}", help=f"pip install 'burnish[{made.extra}]'"
        )
    return made


def twin(module: nn.Module) -> nn.Module:
    """A module of its own that has the very same parameters and buffers."""
    tensors = [*module.parameters(), *module.buffers()]
    return copy.deepcopy(module, {id(tensor): tensor for tensor in tensors})


def strides_of(module: nn.Module) -> dict[str, tuple[int, ...]]:
    """The memory layout of the module's parameters, for `refill`."""
    return {name: param.stride() for name, param in module.named_parameters()}


def empty(module: nn.Module) -> None:
    """Drop the module's parameters while others that were made of them train."""
    for param in module.parameters():
        param.data = param.data.new_empty(0)


@torch.no_grad()
def refill(module: nn.Module, strides: Mapping[str, tuple[int, ...]], whole: Callable[[str], Tensor]) -> None:
    """Give the module its parameters back, in the memory layout that they had; `whole` gives one by name."""
    for name, param in module.named_parameters():
        found = whole(name)
        param.data = found.new_empty_strided(found.shape, strides[name]).copy_(found)


def batch_statistics(work: nn.Module, device: torch.device) -> nn.Module:
    """On GPUs, batch normalization over the rows of all ranks; on processors each rank normalizes its own, as torch has
    none there. Running statistics are averaged after each epoch, so that all ranks end with the same. A module with
    fake-quantize nodes is left alone: they follow torch's own operators, and SyncBatchNorm is another one.
    """
    if device.type != "cuda" or has_nodes(work):
        return work
    synced: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(work)  # type: ignore[no-untyped-call]
    return synced
