"""What ZeRO-2 and ZeRO-3 share: parameters, gradients and optimizer state divided among the ranks by FSDP2."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer

from burnish.train.optimizer import build_optimizer, refuse_divided
from burnish.train.settings import FitSettings
from burnish.train.strategy import Strategy, batch_statistics, empty, refill, strides_of, twin
from burnish.train.units import units


class Sharded(Strategy):
    """Every block of the model, and what is outside of blocks, is divided along the first dimension of its parameters.

    The module that was given is empty while this trains and gets its weights back at the end: each rank holds
    the whole model before and after the run, on the device, but not during it.
    """

    reshard: bool
    """Whether parameters of a block are dropped between its forward and its backward pass."""

    def wrap(self, module: nn.Module, device: torch.device) -> tuple[nn.Module, nn.Module]:
        """See `Strategy.wrap`."""
        work = batch_statistics(twin(module), device)
        self._strides = strides_of(module)
        for param in work.parameters():
            param.data = param.data.contiguous()  # FSDP2 divides nothing else
        mesh = init_device_mesh(device.type, (dist.get_world_size(),))
        for unit in units(work):
            fully_shard(unit, mesh=mesh, reshard_after_forward=self.reshard)
        fully_shard(work, mesh=mesh, reshard_after_forward=self.reshard)
        for part in work.modules():
            if isinstance(part, FSDPModule):
                # gloo cannot average, and sums without a word in some versions: pytorch/pytorch#162338
                part.set_force_sum_reduction_for_comms(device.type == "cpu")
        empty(module)
        return work, work

    @torch.no_grad()
    def unwrap(self, work: nn.Module, module: nn.Module) -> None:
        """See `Strategy.unwrap`. Weights have the memory layout that they had."""
        found = dict(work.named_parameters())
        refill(module, self._strides, lambda name: self.whole(found[name].detach()))

    def optimizer(self, work: nn.Module, settings: FitSettings) -> Optimizer:
        """See `Strategy.optimizer`. Raises `Unsupported` for one that must see whole matrices."""
        refuse_divided(settings.optimizer)
        made = build_optimizer(work, settings)
        for group in made.param_groups:
            if group.get("fused"):  # torch has no fused step of SGD for divided tensors
                group |= {"fused": False, "foreach": True}
        return made

    def local(self, tensor: Tensor) -> Tensor:
        """See `Strategy.local`."""
        return tensor.to_local() if isinstance(tensor, DTensor) else tensor

    def whole(self, tensor: Tensor) -> Tensor:
        """See `Strategy.whole`."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def part(self, tensor: Tensor, like: Tensor) -> Tensor:
        """See `Strategy.part`."""
        if not isinstance(like, DTensor):
            return tensor
        placed: Any = like.placements
        return distribute_tensor(tensor.to(like.device), like.device_mesh, placed, src_data_rank=None)

    def joined(self, local: Tensor, like: Tensor) -> Tensor:
        """See `Strategy.joined`."""
        if not isinstance(like, DTensor):
            return local
        mesh, placed = like.device_mesh, like.placements
        return DTensor.from_local(local, mesh, placed, run_check=False, shape=like.shape, stride=like.stride())
