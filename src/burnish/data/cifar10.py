"""Where CIFAR-10 comes from: a folder with `train.parquet` and `test.parquet` that the user names.

Each file has the columns `image` (JPEG or PNG bytes) and `label` (0 to 9). Not shipped and not
fetched: A. Krizhevsky 2009, research use.
"""

from __future__ import annotations

from pathlib import Path

from burnish.data.locate import locate
from burnish.data.tables.read import LabelledImages, read_images

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

_HELP = (
    "export BURNISH_CIFAR10=FOLDER, or data=FOLDER, where FOLDER holds train.parquet and test.parquet "
    "with the columns image (JPEG or PNG bytes) and label (0 to 9)"
)


def load_cifar10(data: str | Path | None = None) -> tuple[LabelledImages, LabelledImages]:
    """Training part (50,000 rows) and test part (10,000), pixels uint8 [N, 3, 32, 32].

    Raises `MissingData`, `BadData`.
    """
    folder = locate(
        "CIFAR-10", needs=("train.parquet", "test.parquet"), given=data, variable="BURNISH_CIFAR10", help=_HELP
    )
    return read_images(folder / "train.parquet"), read_images(folder / "test.parquet")
