"""DeepSpeed: its ZeRO-2, for who compares or has it anyway; taken only when asked for by name.

Gradients and optimizer state are divided, parameters are whole; the divided part of them is there twice, because
DeepSpeed keeps a copy that it updates. Optimizers that act by element only (adamw, sgd, lion). DeepSpeed makes the
step and clips the gradients; checkpoints are Burnish's own. `zero2` does the same without it, and holds less.
Needs `pip install 'burnish[deepspeed]'`. Source: Rajbhandari et al., "ZeRO" (SC 2020).
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.train.deepspeed_engine import Called, Stepper, bucket_elements
from burnish.train.memory import ModelSize, StateBytes, replicated
from burnish.train.optimizer import build_optimizer, refuse_divided
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings
from burnish.train.strategy import Strategy, batch_statistics, empty, refill, strides_of


class DeepSpeed(Strategy):
    """DeepSpeed's engine around the module and around the optimizer that was asked for."""

    name = "deepspeed"
    sharding = 3
    extra = "deepspeed"

    def wrap(self, module: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
        """See `Strategy.wrap`. DeepSpeed marks parameters, so those of the trained module are others than the given."""
        work = batch_statistics(copy.deepcopy(module, {id(buffer): buffer for buffer in module.buffers()}), device)
        self._strides = strides_of(module)
        empty(module)
        self._called = Called(work, device)
        return work, self._called

    @torch.no_grad()
    def unwrap(self, work: nn.Module, module: nn.Module) -> None:
        """See `Strategy.unwrap`. Weights have the memory layout that they had."""
        self._called.engine.destroy()
        found = dict(work.named_parameters())
        refill(module, self._strides, lambda name: found[name].detach())

    def optimizer(self, work: nn.Module, settings: FitSettings) -> Optimizer:
        """See `Strategy.optimizer`. Raises `Unsupported` for one that must see whole matrices."""
        refuse_divided(settings.optimizer)
        return Stepper(self._called, build_optimizer(work, settings), clip_norm=settings.clip_norm)

    def kept(self, optimizer: Optimizer) -> Optimizer:
        """See `Strategy.kept`."""
        assert isinstance(optimizer, Stepper)
        return optimizer.kept

    def exchange(self, called: nn.Module, *, last: bool) -> contextlib.AbstractContextManager[None]:
        """See `Strategy.exchange`. Gradients travel after every batch; DeepSpeed adds them up until the last."""
        assert isinstance(called, Called)
        called.engine.set_gradient_accumulation_boundary(last)
        return contextlib.nullcontext()

    def optimizer_state(self, optimizer: Optimizer, ranks: Ranks) -> dict[str, Tensor]:
        """See `Strategy.optimizer_state`."""
        assert isinstance(optimizer, Stepper)
        found: dict[str, Tensor] = {}
        for key, value, divided in optimizer.parts():
            whole = ranks.each(value).sum(0) if divided else value
            if ranks.first:
                found[key] = whole
        return found

    def load_optimizer_state(self, optimizer: Optimizer, tensors: Mapping[str, Tensor], ranks: Ranks) -> None:
        """See `Strategy.load_optimizer_state`. Comes after the module has its weights."""
        assert isinstance(optimizer, Stepper)
        optimizer.load_parts(ranks.hand_out(tensors))

    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """See `Strategy.predict`. Gradients go with the step, so they are among what is there for a while."""
        whole = replicated(size)
        bucket = 4.0 * bucket_elements(int(whole.gradients / 4))
        return StateBytes(
            parameters=whole.parameters + whole.gradients / world,
            gradients=0.0,
            optimizer=whole.optimizer / world,
            gathered=whole.gradients + bucket,
        )


PART = DeepSpeed
