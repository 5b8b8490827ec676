"""Handwritten digits of 8 x 8 pixels, classified by a small ResNet: nothing to fetch, seconds to train.

Data: 1,797 real digits (E. Alpaydin and C. Kaynak 1998, UCI, CC BY 4.0), which come with
scikit-learn. Divided 60/20/20 by a fixed seed, each class in the same share. 78,000 parameters.
"""

from __future__ import annotations

import numpy as np
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.signature import Served, Signature, TensorSpec
from burnish.data.divide import divide
from burnish.data.split import Split
from burnish.train.losses import cross_entropy
from burnish.train.settings import FitSettings
from burnish.workloads.pictures import Normalize
from burnish.workloads.resnet import ResNet
from burnish.workloads.workload import Workload


def digits(*, seed: int = 0) -> Workload:
    """Ten classes of 8 x 8 grey images. `seed` divides the rows into the three splits."""
    images, labels = _load()
    prepare = Normalize(mean=(0.31,), std=(0.38,))
    train, validation, test = (
        Split(inputs={"image": images[rows]}, targets=labels[rows], prepare=prepare)
        for rows in divide(labels, (0.6, 0.2, 0.2), seed=seed)
    )
    return Workload(
        name="digits",
        title="Handwritten digits, small ResNet",
        build=_build,
        train=train,
        validation=validation,
        test=test,
        loss=cross_entropy(),
        metric=METRICS.get("accuracy"),
        signature=Signature(
            inputs=(TensorSpec(name="image", dtype="float32", shape=("batch", 1, 8, 8)),),
            outputs=(TensorSpec(name="logits", dtype="float32", shape=("batch", 10)),),
        ),
        served=(Served(batch=1), Served(batch=32)),
        fit=FitSettings(epochs=15, batch_size=32, learning_rate=5e-3, precision="fp32"),
        labels=tuple("0123456789"),
        preprocessing=f"pixels 0 to 16, times 255 / 16 as uint8, then {prepare}",
        licence="data: CC BY 4.0 (UCI, optical recognition of handwritten digits)",
    )


def _build() -> nn.Module:
    return ResNet(channels=1, classes=10, widths=(16, 32, 64), blocks=1)


def _load() -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    from sklearn.datasets import load_digits

    bunch = load_digits()
    pixels = np.round(bunch.images * (255 / 16)).astype(np.uint8)
    return pixels[:, None], bunch.target.astype(np.int64)


PART = digits
