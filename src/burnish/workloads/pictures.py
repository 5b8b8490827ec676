"""What image workloads share: random crops and flips of uint8 batches, and normalisation.

Batches stay uint8 [N, C, H, W] until `Normalize`, so augmentation moves a quarter of the bytes.
The input of the model is called `image`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from burnish.data.split import Tensors


@dataclass(frozen=True, kw_only=True)
class CropAndFlip:
    """The augmentation of He et al. 2015: pad with zeros, crop at random, mirror half of the rows."""

    padding: int
    flip: bool = True

    def __call__(self, inputs: Tensors, generator: torch.Generator) -> Tensors:
        """A batch of the same shape and dtype."""
        image = inputs["image"]
        count, size = len(image), image.shape[2:]
        windows = F.pad(image, [self.padding] * 4).unfold(2, size[0], 1).unfold(3, size[1], 1)
        top, left = torch.randint(0, 2 * self.padding + 1, (2, count), generator=generator).to(image.device)
        cropped = windows[torch.arange(count, device=image.device), :, top, left]
        if self.flip:
            mirrored = torch.rand(count, generator=generator) < 0.5
            cropped = torch.where(mirrored.to(image.device)[:, None, None, None], cropped.flip(3), cropped)
        return {"image": cropped}


@dataclass(frozen=True, kw_only=True)
class Normalize:
    """uint8 0 to 255 to float32 (value / 255 - mean) / std, per channel."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, inputs: Tensors) -> Tensors:
        """Float32 batch of the same shape."""
        mean, std = (_per_channel(values, inputs["image"].device) for values in (self.mean, self.std))
        return {"image": (inputs["image"] - mean).div_(std)}

    def __str__(self) -> str:
        return f"(pixel / 255 - {list(self.mean)}) / {list(self.std)}"


@functools.cache
def _per_channel(values: tuple[float, ...], device: torch.device) -> Tensor:
    """255 times the values as [1, C, 1, 1]; made once, not for every batch."""
    return 255 * torch.tensor(values).view(1, -1, 1, 1).to(device)


@dataclass(frozen=True, kw_only=True)
class Enlarge:
    """uint8 to a larger square by bilinear interpolation, then (value - 127) / 128 as float32."""

    size: int

    def __call__(self, inputs: Tensors) -> Tensors:
        """Float32 [N, C, size, size]."""
        image: Tensor = inputs["image"].float()
        large = F.interpolate(image, size=(self.size, self.size), mode="bilinear", align_corners=False, antialias=False)
        return {"image": large.sub_(127.0).div_(128.0)}

    def __str__(self) -> str:
        return f"bilinear to {self.size} x {self.size}, then (pixel - 127) / 128"
