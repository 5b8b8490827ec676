"""What is trained: real rows, a model, and the settings both loops follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from burnish.data.split import Split
from burnish.train.settings import FitSettings
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload

_CIFAR_ROWS = 1280


@dataclass(frozen=True, kw_only=True)
class Case:
    """`build` gives the untrained module; the same one after `torch.manual_seed`. The loss is cross-entropy."""

    name: str
    build: Callable[[], nn.Module]
    split: Split
    settings: FitSettings

    def fresh(self) -> nn.Module:
        """The module that every round starts from."""
        torch.manual_seed(0)
        return self.build()


class Perceptron(nn.Module):
    """Images [N, 1, 8, 8] to logits [N, 10]: so little arithmetic that the loop itself shows."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        found: Tensor = self.body(image)
        return found


class Encoder(nn.Module):
    """Images [N, 1, 8, 8] to logits [N, 10]: rows of pixels as eight tokens, four blocks of a transformer."""

    def __init__(self, width: int = 128) -> None:
        super().__init__()
        self.stem = nn.Linear(8, width)
        self.place = nn.Parameter(torch.zeros(8, width))
        self.blocks = nn.ModuleList(
            [nn.TransformerEncoderLayer(width, 4, 4 * width, dropout=0.0, batch_first=True) for _ in range(4)]
        )
        self.head = nn.Linear(width, 10)

    def forward(self, image: Tensor) -> Tensor:
        """Logits."""
        x_NTC = self.stem(image[:, 0]) + self.place
        for block in self.blocks:
            x_NTC = block(x_NTC)
        found: Tensor = self.head(x_NTC.mean(1))
        return found


def encoder_workload() -> Workload:
    """Digits and the transformer, for `burnish plan`."""
    return replace(get("digits"), build=Encoder)


def encoder() -> Case:
    """Digits and the transformer."""
    work = get("digits")
    return Case(name="digits, transformer", build=Encoder, split=work.train, settings=work.fit)


def perceptron() -> Case:
    """Digits and a perceptron of three layers."""
    work = get("digits")
    settings = work.fit.model_copy(update={"epochs": 15, "precision": "fp32"})
    return Case(name="digits, perceptron", build=Perceptron, split=work.train, settings=settings)


def small_resnet() -> Case:
    """Digits and the shipped workload's ResNet."""
    work = get("digits")
    settings = work.fit.model_copy(update={"epochs": 3, "precision": "fp32"})
    return Case(name="digits, ResNet", build=work.build, split=work.train, settings=settings)


def resnet() -> Case:
    """A part of CIFAR-10, with crops and flips, and ResNet-20."""
    work = get("cifar10-resnet")
    settings = work.fit.model_copy(update={"epochs": 1, "precision": "fp32"})
    rows = work.train.take(slice(_CIFAR_ROWS))
    return Case(name="CIFAR-10, ResNet-20", build=work.build, split=rows, settings=settings)


CASES: dict[str, Callable[[], Case]] = {
    "perceptron": perceptron,
    "small-resnet": small_resnet,
    "resnet": resnet,
    "encoder": encoder,
}
LOOPS = ("perceptron", "small-resnet", "resnet")
"""What is trained by hand too."""
PLANS = {"encoder": "_lib.training.cases:encoder_workload", "small-resnet": "digits", "resnet": "cifar10-resnet"}
"""What `burnish plan` calls them."""
