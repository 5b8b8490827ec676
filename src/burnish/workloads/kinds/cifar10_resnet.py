"""Colour photos of 32 x 32 pixels in ten classes, classified by the ResNet of He et al. 2015.

Data: CIFAR-10 (A. Krizhevsky 2009), 50,000 + 10,000 rows, from the folder `data` (or
BURNISH_CIFAR10) with train.parquet and test.parquet; 5,000 training rows are the validation
split. `depth` is 6n + 2: 20 (0.27 million parameters; 91 % in the paper), 56 (0.86 million; 93 %).
Trained with crops and flips for 40 epochs: at depth 20 about 40 s each on two cores with AMX,
about 70 s without.
"""

from __future__ import annotations

import functools

import torch
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.errors import RecipeError
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.cifar10 import CLASSES, load_cifar10
from burnish.data.divide import divide
from burnish.data.split import Split
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads.pictures import CropAndFlip, Normalize
from burnish.workloads.resnet import ResNet
from burnish.workloads.workload import Workload


def cifar10_resnet(*, depth: int = 20, data: str | None = None) -> Workload:
    """Ten classes of photos. `depth` is 6n + 2; `data` a folder with the two Parquet files."""
    if depth < 8 or (depth - 2) % 6:
        raise RecipeError(f"a ResNet of depth {depth} does not exist", where="depth", help="give 8, 14, 20, 32 or 56")
    train_images, test_images = load_cifar10(data)
    prepare = Normalize(mean=(0.4914, 0.4822, 0.4465), std=(0.2470, 0.2435, 0.2616))
    train, validation = divide(train_images.labels, (0.9, 0.1), seed=0)
    pixels, labels = train_images.pixels, train_images.labels
    return Workload(
        name="cifar10-resnet",
        title=f"CIFAR-10, ResNet-{depth}",
        build=functools.partial(_build, (depth - 2) // 6),
        train=Split(
            inputs={"image": pixels[train]}, targets=labels[train], prepare=prepare, augment=CropAndFlip(padding=4)
        ),
        validation=Split(inputs={"image": pixels[validation]}, targets=labels[validation], prepare=prepare),
        test=Split(inputs={"image": test_images.pixels}, targets=test_images.labels, prepare=prepare),
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=Signature(
            inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 3, 32, 32)),),
            outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 10)),),
        ),
        served=(Served(batch=32), Served(batch=1)),
        fit=FitSettings(
            epochs=40,
            batch_size=128,
            optimizer="sgd",
            learning_rate=0.2,
            weight_decay=5e-4,
            warmup=0.25,
            clip_norm=0.0,
        ),
        labels=CLASSES,
        preprocessing=str(prepare),
        licence="data: CIFAR-10, research use",
    )


def _build(blocks: int) -> nn.Module:
    model = ResNet(channels=3, classes=10, widths=(16, 32, 64), blocks=blocks)
    return model.to(memory_format=torch.channels_last)


PART = cifar10_resnet
