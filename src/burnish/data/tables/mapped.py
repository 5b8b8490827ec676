"""A table as training, validation and test rows that are mapped from disk, so it may be larger than memory.

The first time, row groups are read one after the other, the columns that are asked for become rows of numbers,
and each part goes into an uncompressed Arrow file in the cache folder, under the hash of the table. That file
holds one record batch, so every column is one NumPy array over the mapped file: nothing is read before it is used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
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
from burnish.data.tables.cells import numbers
from burnish.data.tables.sources import open_source, unreadable

_VERSION = "1"
_TARGET = "burnish.target"

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Table:
    """One split per share that was asked for, and the class names when the target holds texts."""

    parts: tuple[Split, ...]
    classes: tuple[str, ...]


def open_table(
    path: Path,
    *,
    inputs: Mapping[str, Sequence[str]],
    target: str,
    shares: tuple[float, ...] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Table:
    """Rows of any table that `burnish data convert` reads, divided by `seed`, each class in the same share.

    `inputs`: name of a model input -> its columns. Several numeric columns become one float32 array [N, columns];
    a single one keeps its numbers (float64 becomes float32), and one of lists of fixed length has its shape.
    Whole-number targets become int64, texts class numbers in the order of their names, fractions float32.
    Raises `MissingData`, `BadData` naming the file with its row group or column, `OutputError`.
    """
    source = open_source(path)
    asked = {name: list(columns) for name, columns in inputs.items()}
    key = digest(_VERSION, source.digest(), json.dumps([asked, target, shares, seed]))
    folder = cache_folder() / "tables" / key[:32]
    if not folder.exists():
        _check_columns(path, source.schema.names, [target, *(c for columns in asked.values() for c in columns)])
        with new_folder(folder) as work:
            _write(work, path, asked, target, shares, seed)
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
        columns[field.name] = flat.to_numpy(zero_copy_only=True).reshape(len(column), *shape)
    targets = columns.pop(_TARGET)
    return Split(inputs=columns, targets=targets)


def _check_columns(path: Path, known: Sequence[str], wanted: Sequence[str]) -> None:
    for name in wanted:
        if name not in known:
            raise BadData(f"there is no column {name!r}", where=str(path), help="columns: " + ", ".join(known))


def _write(
    work: Path, path: Path, asked: Mapping[str, list[str]], target: str, shares: tuple[float, ...], seed: int
) -> None:
    labels, classes = _targets(path, target)
    groups = labels if labels.dtype.kind == "i" else np.zeros(len(labels), np.int64)
    raws = [_Raw(work, part) for part in range(len(shares))]
    part_of = np.empty(len(labels), np.uint8)
    for part, rows in enumerate(divide(groups, shares, seed=seed)):
        part_of[rows] = part
        raws[part].add({_TARGET: labels[rows]})
    begin = 0
    columns = sorted({column for names in asked.values() for column in names})
    for batch in _batches(path, columns):
        arrays = {name: numbers(batch, names, where=str(path), first=begin) for name, names in asked.items()}
        belongs = part_of[begin : begin + batch.num_rows]
        for part, raw in enumerate(raws):
            mine = belongs == part
            raw.add({name: array[mine] for name, array in arrays.items()})
        begin += batch.num_rows
    for raw in raws:
        raw.finish()
    (work / "classes.json").write_text(json.dumps(classes))


def _batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    try:
        for batch in open_source(path, columns).batches:
            yield batch.select(columns)
    except pa.ArrowException as error:
        raise unreadable(path, error) from None


def _targets(path: Path, target: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The whole target column, which is kept in memory while the cache is made, and class names of texts."""
    parts, names = [], set[str]()
    begin = 0
    for batch in _batches(path, [target]):
        column = batch.column(0)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            part = column.dictionary_encode()
            words = part.dictionary.to_pylist()
            names.update(word for word in words if word is not None)
            parts.append((part.indices, words))
        else:
            parts.append((numbers(batch, [target], where=str(path), first=begin), None))
        begin += batch.num_rows
    if not parts:
        raise BadData("there are no rows", where=str(path))
    if not names:
        values = np.concatenate([part for part, _ in parts])
        return values.astype(np.int64 if values.dtype.kind in "biu" else np.float32), ()
    classes = tuple(sorted(names))
    number = {name: place for place, name in enumerate(classes)}
    coded = []
    for indices, words in parts:
        if words is None or indices.null_count:
            raise BadData("an empty cell", where=f"{path}, column {target!r}", help="fill it or drop the row")
        coded.append(np.array([number[word] for word in words], np.int64)[indices.to_numpy()])
    return np.concatenate(coded), classes


class _Raw:
    """The columns of a part as files of plain numbers, then as one Arrow file."""

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
            column = pa.Array.from_buffers(pa.from_numpy_dtype(dtype), count, [None, buffer])
            if shape:
                column = pa.FixedSizeListArray.from_arrays(column, size)
            fields.append(pa.field(name, column.type, metadata={"shape": ",".join(map(str, shape))}))
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
