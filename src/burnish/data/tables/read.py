"""Tables of images on disk to arrays. pyarrow is known in this folder and nowhere else.

Images in Parquet are decoded once; the pixels are kept in the cache folder under the hash of the
file they came from.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from burnish.core.errors import BadData, MissingData
from burnish.core.files import new_folder, sha256
from burnish.data.images import decode_all
from burnish.data.locate import cache_folder
from burnish.data.tables.class_names import class_names
from burnish.data.tables.faults import unreadable
from burnish.data.tables.sources import open_source


@dataclass(frozen=True, kw_only=True)
class LabelledImages:
    """`pixels` uint8 [N, 3, height, width], mapped from the cache; `labels` int64 [N]; class names if there are any."""

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]
    classes: tuple[str, ...]


def read_images(path: Path, *, image: str = "image", label: str = "label") -> LabelledImages:
    """A Parquet file of compressed images and class numbers, through the cache.

    Class names are read from the schema's metadata (see `class_names`). Raises `MissingData`, `BadData`,
    `OutputError`.
    """
    if not path.is_file():
        raise MissingData("there is no such file", where=str(path), help="check the path")
    folder = cache_folder() / "images" / f"{sha256(path)[:24]}-{image}-{label}"
    if not folder.exists():
        _decode_into(folder, path, image, label)
    return LabelledImages(
        pixels=np.load(folder / "pixels.npy", mmap_mode="r", allow_pickle=False),
        labels=np.load(folder / "labels.npy", allow_pickle=False),
        classes=tuple(json.loads((folder / "classes.json").read_text())),
    )


def _decode_into(folder: Path, path: Path, image: str, label: str) -> None:
    table = _open(path)
    for name in (image, label):
        if name not in table.column_names:
            raise BadData(
                f"there is no column {name!r}", where=str(path), help="columns: " + ", ".join(table.column_names)
            )
    labels = _column(table, label, path).astype(np.int64)
    pixels = decode_all(table[image].to_pylist(), where=str(path))
    with new_folder(folder) as work:
        np.save(work / "pixels.npy", pixels)
        np.save(work / "labels.npy", labels)
        (work / "classes.json").write_text(json.dumps(class_names(table.schema.metadata)))


def _open(path: Path) -> Any:
    source = open_source(path)
    try:
        return pa.Table.from_batches(source.batches, source.schema.with_metadata(source.metadata))
    except pa.ArrowException as error:
        raise unreadable(path, error) from None


def _column(table: Any, name: str, path: Path) -> NDArray[Any]:
    column, where = table[name], f"{path}, column {name!r}"
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise BadData("an empty cell", where=f"{where}, row {row}", help="fill it or drop the row")
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        values: NDArray[Any] = column.to_numpy()
        return values
    raise BadData(f"a column of type {kind} cannot be used", where=where, help="give whole numbers")
