"""A moving average of the weights, which often scores better than the last ones and needs no training of its own.

average = d * average + (1 - d) * weights after every step, with d = min(decay, (1 + step) / (10 + step)), so that
the start is forgotten soon. Statistics of normalization layers are averaged too.
Source: Polyak & Juditsky (1992); the ramp as in TensorFlow's `ExponentialMovingAverage`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn


class Average:
    """The averages of a module's floating-point parameters and buffers, on its device.

    `local` gives the part of a tensor that lies on this rank; averages are of that part.
    """

    def __init__(self, module: nn.Module, decay: float, local: Callable[[Tensor], Tensor] = lambda t: t) -> None:
        live = {**dict(module.named_parameters()), **dict(module.named_buffers())}
        self._live = {name: local(tensor.data) for name, tensor in live.items() if tensor.is_floating_point()}
        self._decay = decay
        self.values = {name: tensor.clone() for name, tensor in self._live.items()}

    def update(self, step: int) -> None:
        """Take in the weights after `step`, which counts from 0."""
        decay = min(self._decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.values.values()), list(self._live.values()), 1 - decay)

    def load(self, values: Mapping[str, Tensor]) -> None:
        """The inverse of `values`."""
        for name, tensor in values.items():
            self.values[name].copy_(tensor)

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """The averages are the module's weights within the block."""
        self.swap()
        try:
            yield
        finally:
            self.swap()

    def swap(self) -> None:
        """Exchange the averages with the module's weights."""
        for name, tensor in self._live.items():
            kept = tensor.clone()
            tensor.copy_(self.values[name])
            self.values[name].copy_(kept)
