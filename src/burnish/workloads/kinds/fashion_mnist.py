"""Grey pictures of clothes, 28 x 28, in ten classes, classified by a small ResNet: the demo.

Data: Fashion-MNIST (Xiao et al. 2017, https://arxiv.org/abs/1708.07747, MIT), 60,000 + 10,000
rows; 5,000 of the training rows are the validation split. It is looked for in the folder `data`
(or BURNISH_FASHION_MNIST) and in Debian's dataset-fashion-mnist, else torchvision fetches it.
ResNet-8 with 32, 64 and 128 channels: 0.31 million parameters, about a minute to train on two cores.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.divide import divide
from burnish.data.fashion_mnist import load_fashion_mnist
from burnish.data.split import Split
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads.pictures import CropAndFlip, Normalize
from burnish.workloads.resnet import ResNet
from burnish.workloads.workload import Workload

_LABELS = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def fashion_mnist(*, data: str | None = None) -> Workload:
    """Ten classes of clothes. `data` is a folder with the four IDX files."""
    (images, labels), (test_images, test_labels) = load_fashion_mnist(data)
    prepare = Normalize(mean=(0.2860,), std=(0.3530,))
    whole = Split(inputs={"image": images[:, None]}, targets=labels.astype(np.int64), prepare=prepare)
    train, validation = divide(whole.targets, (55 / 60, 5 / 60), seed=0)
    rows = whole.take(train)
    return Workload(
        name="fashion-mnist",
        title="Fashion-MNIST, ResNet-8",
        build=_build,
        train=Split(inputs=rows.inputs, targets=rows.targets, prepare=prepare, augment=CropAndFlip(padding=1)),
        validation=whole.take(validation),
        test=Split(inputs={"image": test_images[:, None]}, targets=test_labels.astype(np.int64), prepare=prepare),
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=Signature(
            inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 1, 28, 28)),),
            outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 10)),),
        ),
        served=(Served(batch=1), Served(batch=32)),
        fit=FitSettings(epochs=3, batch_size=128, learning_rate=8e-3, weight_decay=1e-2),
        labels=_LABELS,
        preprocessing=str(prepare),
        licence="data: MIT (Zalando SE)",
    )


def _build() -> nn.Module:
    model = ResNet(channels=1, classes=10, widths=(32, 64, 128), blocks=1, first_stride=2)
    return model.to(memory_format=torch.channels_last)


PART = fashion_mnist
