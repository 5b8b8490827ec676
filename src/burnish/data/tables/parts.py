"""Rows of numbers as parts that are mapped from disk: what tables and texts become.

The columns of a part are one uncompressed Arrow file in the cache folder. It holds one record batch, so every column is
one NumPy array over the mapped file: nothing is read before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.core.files import digest, new_folder
from burnish.data.divide import divide
from burnish.data.locate import cache_folder
from burnish.data.split import Split

_VERSION = "3"
_TARGET = "burnish.target"
LENGTHS = "burnish.lengths"

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One split per share that was asked for, and the class names when the target holds texts."""

    parts: tuple[Split, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What becomes mapped parts: all targets [N], and the inputs of rows one after the other, in chunks.

    The lengths of rows, where they differ, are the input `LENGTHS`.
    """

    targets: NDArray[Any]
    classes: tuple[str, ...]
    chunks: Iterable[Columns]


def mapped(key: str, rows: Callable[[], Rows], *, shares: tuple[float, ...], seed: int) -> Table:
    """The parts of `rows`, which are asked for and written when the cache has nothing under `key` yet."""
    folder = cache_folder() / "tables" / digest(_VERSION, key, json.dumps([shares, seed]))[:32]
    if not folder.exists():
        with new_folder(folder) as work:
            _write(work, rows(), shares, seed)
    classes = tuple(json.loads((folder / "classes.json").read_text()))
    return Table(parts=tuple(_split(folder / f"{part}.arrow") for part in range(len(shares))), classes=classes)


def _split(file: Path) -> Split:
    """The columns of a file as arrays over its mapped bytes."""
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0)
    except (pa.ArrowException, OSError) as error:
        raise BadData(
            "the cached table is damaged", where=str(file), why=str(error), help=f"remove {file.parent.name}"
        ) from None
    columns: Columns = {}
    for field, column in zip(batch.schema, batch.columns, strict=True):
        shape = tuple(int(size) for size in field.metadata[b"shape"].split(b",") if size)
        flat = column.flatten() if shape else column
        values = flat.to_numpy(zero_copy_only=True).reshape(len(column), *shape)
        columns[field.name] = values.view(np.bool_) if field.metadata[b"dtype"] == b"bool" else values
    targets, lengths = columns.pop(_TARGET), columns.pop(LENGTHS, None)
    return Split(inputs=columns, targets=targets, lengths=lengths)


def _write(work: Path, rows: Rows, shares: tuple[float, ...], seed: int) -> None:
    labels = rows.targets
    groups = labels if labels.dtype.kind == "i" else np.zeros(len(labels), np.int64)
    raws = [_Raw(work, part) for part in range(len(shares))]
    part_of = np.empty(len(labels), np.uint8)
    for part, mine in enumerate(divide(groups, shares, seed=seed)):
        part_of[mine] = part
        raws[part].add({_TARGET: labels[mine]})
    begin = 0
    for arrays in rows.chunks:
        count = len(next(iter(arrays.values())))
        belongs = part_of[begin : begin + count]
        for part, raw in enumerate(raws):
            raw.add({name: array[belongs == part] for name, array in arrays.items()})
        begin += count
    for raw in raws:
        raw.finish()
    (work / "classes.json").write_text(json.dumps(rows.classes))


class _Raw:
    """The columns of a part as files of plain numbers, then as one Arrow file.

    Truth values are a byte each, as in NumPy; Arrow's own are bits, which cannot be mapped as an array.
    """

    def __init__(self, work: Path, part: int) -> None:
        self._work, self._part = work, part
        self._kinds: dict[str, tuple[np.dtype[Any], tuple[int, ...]]] = {}

    def add(self, arrays: Columns) -> None:
        for name, array in arrays.items():
            self._kinds[name] = (array.dtype, array.shape[1:])
            with self._file(name).open("ab") as file:
                _append(file, array)

    def finish(self) -> None:
        fields, columns = [], []
        for name, (dtype, shape) in self._kinds.items():
            size = int(np.prod(shape))
            buffer = pa.memory_map(str(self._file(name))).read_buffer()
            count = buffer.size // dtype.itemsize
            stored = np.dtype(np.uint8) if dtype == np.bool_ else dtype
            column = pa.Array.from_buffers(pa.from_numpy_dtype(stored), count, [None, buffer])
            if shape:
                column = pa.FixedSizeListArray.from_arrays(column, size)
            fields.append(
                pa.field(name, column.type, metadata={"shape": ",".join(map(str, shape)), "dtype": dtype.name})
            )
            columns.append(column)
        schema = pa.schema(fields)
        with pa.OSFile(str(self._work / f"{self._part}.arrow"), "wb") as file, pa.ipc.new_file(file, schema) as out:
            out.write_batch(pa.record_batch(columns, schema=schema))
        for name in self._kinds:
            self._file(name).unlink()

    def _file(self, name: str) -> Path:
        return self._work / f"{self._part}-{digest(name)[:16]}.raw"


def _append(file: IO[bytes], array: NDArray[Any]) -> None:
    file.write(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data if array.size else b"")
