"""A table as training, validation and test rows that are mapped from disk, so it may be larger than memory.

The first time, row groups are read one after the other, the columns that are asked for become rows of numbers,
and each part goes into a file of the cache folder, under the hash of the table (see `parts`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.core.files import digest
from burnish.data.tables.cells import numbers
from burnish.data.tables.faults import unreadable
from burnish.data.tables.parts import Columns, Rows, Table, mapped
from burnish.data.tables.sources import open_source


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

    def rows() -> Rows:
        check_columns(path, source.schema.names, [target, *(c for columns in asked.values() for c in columns)])
        labels, classes = target_column(path, target)
        return Rows(targets=labels, classes=classes, chunks=_chunks(path, asked))

    return mapped(digest(source.digest(), json.dumps([asked, target])), rows, shares=shares, seed=seed)


def column_names(path: Path) -> tuple[str, ...]:
    """Of any table. Raises `MissingData`, `BadData`."""
    return tuple(open_source(path).schema.names)


def check_columns(path: Path, known: Sequence[str], wanted: Sequence[str]) -> None:
    """Raises `BadData` naming the first column that is not there."""
    for name in wanted:
        if name not in known:
            raise BadData(f"there is no column {name!r}", where=str(path), help="columns: " + ", ".join(known))


def _chunks(path: Path, asked: Mapping[str, list[str]]) -> Iterator[Columns]:
    begin = 0
    for batch in batches(path, sorted({column for names in asked.values() for column in names})):
        yield {name: numbers(batch, names, where=str(path), first=begin) for name, names in asked.items()}
        begin += batch.num_rows


def batches(path: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Record batches of these columns. Raises `BadData` naming the row group that cannot be read."""
    try:
        for batch in open_source(path, columns).batches:
            yield batch.select(columns)
    except pa.ArrowException as error:
        raise unreadable(path, error) from None


def target_column(path: Path, target: str) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The whole target column, which is kept in memory while the cache is made, and class names of texts."""
    parts, names = [], set[str]()
    begin = 0
    for batch in batches(path, [target]):
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
