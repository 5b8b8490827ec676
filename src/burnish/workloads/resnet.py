"""The ResNet for small images of He et al. 2015 (https://arxiv.org/abs/1512.03385, section 4.2).

Depth 6n + 2: one convolution, three stages of n blocks, one linear layer. Shortcuts that change
the width are 1 × 1 convolutions (option B of the paper), which pruning can follow, not padded
identities (option A): ResNet-20 has 0.27 million parameters either way.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Block(nn.Module):
    """Two 3 × 3 convolutions around a shortcut; [N, in, H, W] to [N, out, H / stride, W / stride]."""

    def __init__(self, width_in: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width_in, width, 3, stride=stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(width)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or width_in != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(width_in, width, 1, stride=stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """One block."""
        y = torch.relu(self.norm1(self.conv1(x_NCHW)))
        y = self.norm2(self.conv2(y))
        return torch.relu(y + self.shortcut(x_NCHW))


class ResNet(nn.Module):
    """Images [N, channels, H, W] to logits [N, classes].

    `widths` are the channels of the stages; each stage after the first halves the image, and the
    first does when `first_stride` is 2. `blocks` is the number of blocks per stage.
    """

    def __init__(
        self, *, channels: int, classes: int, widths: tuple[int, ...], blocks: int, first_stride: int = 1
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, stride=first_stride, padding=1, bias=False), nn.BatchNorm2d(widths[0])
        )
        stages: list[nn.Module] = []
        before = widths[0]
        for index, width in enumerate(widths):
            strides = [2 if index else 1] + [1] * (blocks - 1)
            stages.append(nn.Sequential(*(Block(before if i == 0 else width, width, s) for i, s in enumerate(strides))))
            before = width
        self.stages = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(before, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        x_NCHW = torch.relu(self.stem(image))
        x_NC = self.pool(self.stages(x_NCHW)).flatten(1)
        logits: Tensor = self.head(x_NC)
        return logits
