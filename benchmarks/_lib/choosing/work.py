"""What the parts of samples.py share: real pictures, a small network, one training, answers on test rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from _lib.bars import Bar
from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.measure.labels import predicted_labels
from burnish.measure.quality import predict_module
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.samples import Samples
from burnish.train.settings import FitSettings
from burnish.train.weighting import build_weighting
from burnish.workloads.registry import get

PLAIN = FitSettings(batch_size=128, learning_rate=4e-3, precision="fp32", device="cpu", keep_best=False)
Labels = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Data:
    """Rows to learn from and rows to be measured on, and the network for them."""

    train: Split
    test: Split
    build: Callable[[], nn.Module]

    def with_train(self, rows: NDArray[np.integer], targets: Labels | None = None) -> Data:
        """Only these training rows, with these targets where they are given."""
        part = self.train.take(rows)
        if targets is not None:
            part = Split(inputs=part.inputs, targets=targets, prepare=part.prepare, augment=part.augment)
        return Data(train=part, test=self.test, build=self.build)


class SmallNet(nn.Module):
    """Two convolutions and two linear layers, for pictures [N, C, S, S]."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 16, 5, 2, 2),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.Conv2d(16, 32, 3, 2, 1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(32 * (size // 4) ** 2, 64),
            nn.ReLU(),
            nn.Linear(64, 10),
        )

    def forward(self, image: Tensor) -> Tensor:
        """Logits [N, 10]."""
        found: Tensor = self.layers(image)
        return found


def pictures(name: str) -> Data:
    """A shipped workload's rows, not augmented; its own network for digits, else the small one."""
    work = get(name)
    train = Split(inputs=work.train.inputs, targets=work.train.targets, prepare=work.train.prepare)
    shape = train.inputs["image"].shape
    build = work.build if name == "digits" else lambda: SmallNet(shape[1], shape[2])
    return Data(train=train, test=work.test, build=build)


def batch_size(data: Data) -> int:
    """32 where there are few rows, else 128."""
    return 32 if len(data.train) < 5000 else 128


def plant_wrong(labels: Labels, share: float, rng: np.random.Generator) -> tuple[Labels, NDArray[np.bool_]]:
    """Labels of which a share is another one at random, and which those are."""
    classes = int(labels.max()) + 1
    wrong = rng.random(len(labels)) < share
    return np.where(wrong, (labels + rng.integers(1, classes, len(labels))) % classes, labels), wrong


def trained(
    data: Data,
    settings: FitSettings,
    seed: int,
    *,
    difficulty: NDArray[np.float64] | None = None,
) -> nn.Module:
    """A network taught with these settings."""
    torch.manual_seed(seed)
    module = data.build()
    weighting = build_weighting(settings, data.train)
    objective = task(cross_entropy(), weighting=weighting)
    samples = Samples(weighting=weighting, difficulty=difficulty)
    fit(module, data.train, objective=objective, settings=settings, seed=seed, samples=samples, progress=Silent())
    return module.eval()


def right(module: nn.Module, split: Split) -> NDArray[np.float64]:
    """1 per row that the module labels rightly, else 0."""
    return (predicted_labels(predict_module(module, split, 512)) == split.targets).astype(np.float64)


def with_range(name: str, values: Sequence[float], unit: str, bar: float, **more: Any) -> Bar:
    """A bar on the mean over seeds, with their range."""
    return Bar(name=name, value=float(np.mean(values)), low=min(values), high=max(values), unit=unit, bar=bar, **more)
