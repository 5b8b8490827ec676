"""A folder of images as a table: one folder per class."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from burnish.core.errors import BadData
from burnish.core.files import digest, sha256
from burnish.data.tables.class_names import class_metadata
from burnish.data.tables.source import Source, share_of

IMAGES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff")
_AT_ONCE = 512


def open_images(folder: Path) -> Source:
    """Columns `image` (the file's bytes), `label` (int64, in the order of the class names) and `path`.

    Raises `BadData` when there are no images, and when some are in no class.
    """
    seen = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    strays = [entry for entry in seen if entry.is_file() and entry.suffix.lower() in IMAGES]
    if strays:
        raise BadData(
            "images that are in no class folder",
            where=str(folder),
            why=f"{len(strays)} lie beside the class folders, {strays[0].name} is the first",
            help="move each into the folder of its class, or out of this folder",
        )
    classes = [entry.name for entry in seen if entry.is_dir()]
    for name in classes:
        if not name.isprintable():
            raise BadData(f"the class folder {name!r} has no readable name", where=str(folder), help="rename it")
    rows = [
        (file, number)
        for number, name in enumerate(classes)
        for file in sorted((folder / name).rglob("*"))
        if file.suffix.lower() in IMAGES
    ]
    if not rows:
        raise BadData("no images found", where=str(folder), help="one folder per class, images in it")
    schema = pa.schema([("image", pa.binary()), ("label", pa.int64()), ("path", pa.string())])

    def batches() -> Iterator[Any]:
        for start in range(0, len(rows), _AT_ONCE):
            part = rows[start : start + _AT_ONCE]
            names = [file.relative_to(folder).as_posix() for file, _ in part]
            yield pa.record_batch([[f.read_bytes() for f, _ in part], [n for _, n in part], names], schema=schema)

    def whole() -> str:
        return digest(*(part for file, _ in rows for part in (file.relative_to(folder).as_posix(), sha256(file))))

    return Source(
        schema=schema,
        batches=batches(),
        share=share_of(len(rows)),
        size_bytes=sum(file.stat().st_size for file, _ in rows),
        digest=whole,
        metadata=class_metadata(classes),
    )
