"""Where Fashion-MNIST comes from: a given folder, the Debian package, or torchvision's download.

The only file that knows torchvision. Source: Xiao, Rasul and Vollgraf 2017,
https://github.com/zalandoresearch/fashion-mnist (MIT).
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import MissingData
from burnish.data.idx import read_idx
from burnish.data.locate import cache_folder, locate

_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)
_DEBIAN = Path("/usr/share/datasets/fashion-mnist")
_HELP = "apt-get install dataset-fashion-mnist, or pip install torchvision where there is internet"

Part = tuple[NDArray[np.generic], NDArray[np.generic]]


def load_fashion_mnist(data: str | Path | None = None) -> tuple[Part, Part]:
    """Training and test part: images uint8 [60000 or 10000, 28, 28] and labels uint8 [N].

    Looks at `data`, the variable BURNISH_FASHION_MNIST, the Debian package and the cache folder;
    when none of them has it, torchvision fetches it into the cache folder. Raises `MissingData`.
    """
    folder = _find(data)
    images, labels, test_images, test_labels = (read_idx(folder / name) for name in _FILES)
    return (images, labels), (test_images, test_labels)


def _find(data: str | Path | None) -> Path:
    cache = cache_folder() / "FashionMNIST" / "raw"
    try:
        return locate(
            "Fashion-MNIST",
            needs=_FILES,
            given=data,
            variable="BURNISH_FASHION_MNIST",
            places=(_DEBIAN, cache),
            help=_HELP,
        )
    except MissingData as missing:
        if data is not None or "from BURNISH_FASHION_MNIST" in missing.where:
            raise
        if importlib.util.find_spec("torchvision") is None:
            raise
        _download(cache.parent.parent, missing)
        return cache


def _download(root: Path, missing: MissingData) -> None:
    from torchvision.datasets import FashionMNIST

    try:
        FashionMNIST(str(root), download=True)
    except (OSError, RuntimeError) as error:
        raise MissingData(
            missing.what, where=missing.where, why=f"torchvision could not fetch it: {error}", help=_HELP
        ) from None
