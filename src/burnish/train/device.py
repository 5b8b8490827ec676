"""Which device trains: a CUDA GPU where there is one, else the processor.

Everything else (surgery, calibration, measuring, serving) stays on the processor, so a module is
moved for the length of a training run and comes back.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn

from burnish.core.errors import Unsupported

Device = Literal["auto", "cpu", "cuda"]


def choose_device(setting: Device) -> torch.device:
    """The device for a setting; `auto` is the GPU that CUDA counts first, else the processor.

    Raises `Unsupported` when a GPU is asked for and torch sees none.
    """
    if setting == "cpu" or (setting == "auto" and not torch.cuda.is_available()):
        return torch.device("cpu")
    if not torch.cuda.is_available():
        raise Unsupported(
            "torch sees no CUDA GPU",
            where="device: cuda",
            why="torch was built without CUDA" if torch.version.cuda is None else "the driver shows none",
            help="set device to auto or cpu, or install a CUDA build of torch; `burnish doctor` shows what is seen",
        )
    return torch.device("cuda", torch.cuda.current_device())


def device_name(device: torch.device) -> str:
    """The GPU's own name, or `cpu`."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


@contextlib.contextmanager
def moved(module: nn.Module, device: torch.device) -> Iterator[None]:
    """The module on `device` within the block, then back where it was."""
    tensor = next(itertools.chain(module.parameters(), module.buffers()), None)
    home = device if tensor is None else tensor.device
    if home == device:
        yield
        return
    module.to(device)
    try:
        yield
    finally:
        module.to(home)


@contextlib.contextmanager
def repeatable(device: torch.device) -> Iterator[None]:
    """Leaves torch's global generators as they were; on a GPU, convolutions that give the same bits twice."""
    if device.type == "cpu":
        with torch.random.fork_rng(devices=[]):
            yield
        return
    flags = torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True)
    with torch.random.fork_rng(devices=[device]), flags:
        yield
