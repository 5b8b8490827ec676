"""The ranks of a training run: one process each, started by torchrun or by what acts like it.

The contract is torchrun's environment (RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT), so Slurm and Kubernetes
start the same command; Ray Train joins the ranks itself. Tensors travel by NCCL between GPUs and by gloo between
processors; texts and decisions always by gloo, as bytes: nothing is pickled.
"""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from burnish.core.errors import TrainingFailed, Unsupported
from burnish.train.device import Device, choose_device

PATIENCE = datetime.timedelta(minutes=10)
"""How long a rank waits for another one that neither answers nor dies."""

_STOPPED_S = 20.0
"""How long a rank that lost another one waits to be stopped."""

_IDLE = datetime.timedelta(days=30)
"""How long a rank waits for work that the first one may not have."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process's number among `world` of them. Every method is called by all ranks, in the same order.

    `group` is torch's process group that they talk in; None is the one that was joined first.
    """

    rank: int = 0
    world: int = 1
    group: Any = field(default=None, repr=False)

    @property
    def first(self) -> bool:
        """Whether this is the rank that prints and writes."""
        return self.rank == 0

    def each(self, values: Tensor) -> Tensor:
        """The tensors of all ranks, which have one shape, as [world, ...] on the processor."""
        mine = values.detach().cpu()
        if self.world == 1:
            return mine.unsqueeze(0)
        found = [torch.empty_like(mine) for _ in range(self.world)]
        dist.all_gather(found, mine, group=self.group)
        return torch.stack(found)

    def text(self, text: str, *, of: int = 0) -> str:
        """The text of rank `of`; what the others give is not looked at."""
        if self.world == 1:
            return text
        raw = torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8) if text else torch.empty(0).byte()
        size = torch.tensor(len(raw))
        dist.broadcast(size, of, group=self.group)
        if self.rank != of:
            raw = torch.empty(int(size), dtype=torch.uint8)
        dist.broadcast(raw, of, group=self.group)
        return raw.numpy().tobytes().decode()

    def value(self, value: float | None) -> float | None:
        """The number of the first rank, in full precision."""
        found: float | None = value if self.world == 1 else json.loads(self.text(json.dumps(value)))
        return found

    def hand_out(self, tensors: Mapping[str, Tensor], *, of: int = 0) -> Iterator[tuple[str, Tensor]]:
        """The tensors of rank `of`, by name, one after the other, on the processor; the others give an empty mapping.

        So no rank but that one ever holds more than one of them.
        """
        if self.world == 1:
            yield from tensors.items()
            return
        heads = [[name, str(t.dtype).removeprefix("torch."), list(t.shape)] for name, t in tensors.items()]
        for name, dtype, shape in json.loads(self.text(json.dumps(heads), of=of)):
            here = self.rank == of
            tensor = tensors[name].cpu().contiguous() if here else torch.empty(shape, dtype=getattr(torch, dtype))
            dist.broadcast(tensor, of, group=self.group)
            yield name, tensor

    def idle(self) -> Ranks:
        """The same ranks in a group of their own, in which they may wait for the first one for days."""
        return self if self.world == 1 else replace(self, group=dist.new_group(backend="gloo", timeout=_IDLE))


def current_ranks() -> Ranks:
    """The ranks that this process has joined; alone when there are none."""
    if not (dist.is_available() and dist.is_initialized()):
        return Ranks()
    return Ranks(rank=dist.get_rank(), world=dist.get_world_size())


@contextlib.contextmanager
def joined(device: Device = "auto") -> Iterator[Ranks]:
    """This process's place among those that torchrun started, for the length of the block; alone when it did not.

    On a GPU each rank of a machine takes the one of its LOCAL_RANK. Raises `Unsupported` when there are too few, and
    `TrainingFailed` when another rank is gone.
    """
    if dist.is_available() and dist.is_initialized():  # Ray Train joined them already, and will leave them
        yield current_ranks()
        return
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        yield Ranks()
        return
    backend = "gloo"
    if choose_device(device).type == "cuda":
        local, count = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= count:
            raise Unsupported(
                f"rank {os.environ['RANK']} is number {local} on its machine, which has {count} GPUs",
                help=f"start {count} ranks on a machine, or set the device to cpu",
            )
        torch.cuda.set_device(local)
        backend = "cpu:gloo,cuda:nccl"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        yield current_ranks()
    except RuntimeError as error:
        if "gloo" not in str(error) and not isinstance(error, dist.DistError):
            raise
        time.sleep(_STOPPED_S)  # whoever started the ranks sees which one is gone, and stops this one
        why = str(error).splitlines()[0]
        raise TrainingFailed("another rank is gone", where=f"rank {os.environ['RANK']}", why=why) from error
    dist.destroy_process_group()  # not after an error: it would wait for ranks that may be gone
