"""Small networks of different kinds."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Flatten(nn.Module):
    """A convolution flattened into a linear layer: several inputs per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)
        self.hidden = nn.Linear(8 * 16, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.head(torch.relu(self.hidden(x.flatten(1))))


class Volume(nn.Module):
    """Three-dimensional convolutions with BatchNorm."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv3d(1, 8, 3, padding=1), nn.BatchNorm3d(8), nn.ReLU(), nn.Conv3d(8, 16, 3, padding=1), nn.ReLU()
        )
        self.head = nn.Linear(16, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x).mean((2, 3, 4)))


class Attention(nn.Module):
    """One attention layer of four heads and a hidden layer, with residual additions."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 4
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.out = nn.Linear(16, 16)
        self.norm = nn.LayerNorm(16)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        batch, length = x.shape[:2]
        q, k, v = (f(x).view(batch, length, -1, 4).transpose(1, 2) for f in (self.query, self.key, self.value))
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = self.norm(x + self.out(mixed.transpose(1, 2).reshape(batch, length, -1)))
        x = x + self.down(nn.functional.gelu(self.up(x)))
        return self.head(x.mean(1))


class TwoInputs(nn.Module):
    """Two inputs joined by concatenation, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(6, 16), nn.Linear(4, 16)
        self.joint = nn.Linear(32, 24)
        self.first, self.second = nn.Linear(24, 3), nn.Linear(24, 1)

    def forward(self, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        hidden = torch.cat([torch.relu(self.left(a)), torch.relu(self.right(b))], 1)
        hidden = torch.relu(self.joint(hidden))
        return self.first(hidden), self.second(hidden)
