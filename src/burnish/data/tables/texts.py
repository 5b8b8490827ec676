"""Texts and their classes as parts that are mapped from disk: a table of texts may be larger than memory.

Texts are read and turned into numbers a few thousand at a time. In memory are only a hash and a class number per row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.core.files import digest
from burnish.data.tables.mapped import batches, check_columns, target_column
from burnish.data.tables.parts import Columns, Rows, Table, mapped
from burnish.data.tables.sources import open_source

_AT_ONCE = 2048
"""Texts that are encoded together."""

Labels = NDArray[np.int64]


def open_texts(
    path: Path,
    *,
    text: str,
    label: str,
    encode: Callable[[list[str]], Columns],
    encoder: str,
    names: tuple[str, ...] = (),
    shares: tuple[float, ...] = (0.8, 0.1, 0.1),
    seed: int = 0,
) -> Table:
    """Rows of any table whose column `text` was not seen before, divided by `seed`, each class in the same share.

    `encode` makes numbers of some texts, a row for each; `encoder` names what it does, so that other numbers are made
    anew. `names` are the classes that labels may be; without them they are the values found. Raises `MissingData`,
    `BadData` on an empty cell, labels that are fractions, all the same or unknown, and `OutputError`.
    """
    source = open_source(path)

    def rows() -> Rows:
        check_columns(path, source.schema.names, [text, label])
        new = _new(path, text)
        values, words = target_column(path, label)
        targets, classes = _classes(values[new], words, names, where=f"{path}, column {label!r}")
        return Rows(targets=targets, classes=classes, chunks=_chunks(path, text, new, encode))

    key = digest(source.digest(), text, label, encoder, "\n".join(names))
    return mapped(key, rows, shares=shares, seed=seed)


def _texts(path: Path, column: str) -> Iterator[list[str]]:
    begin = 0
    for batch in batches(path, [column]):
        found = batch.column(0)
        if pa.types.is_dictionary(found.type):
            found = found.cast(found.type.value_type)
        where = f"{path}, column {column!r}"
        if not (pa.types.is_string(found.type) or pa.types.is_large_string(found.type)):
            raise BadData("the text column holds no texts", where=where, help="name the right column with text=")
        if found.null_count:
            row = begin + int(np.flatnonzero(found.is_null().to_numpy(zero_copy_only=False))[0])
            raise BadData("an empty cell", where=f"{where}, row {row}", help="fill it or drop the row")
        for start in range(0, len(found), _AT_ONCE):
            yield found.slice(start, _AT_ONCE).to_pylist()
        begin += len(found)


def _new(path: Path, column: str) -> NDArray[np.bool_]:
    """[N]: whether a row's text was not there before; by a hash of 64 bits."""
    parts = []
    for texts in _texts(path, column):
        hashes = (hashlib.blake2b(text.encode(), digest_size=8).digest() for text in texts)
        parts.append(np.frombuffer(b"".join(hashes), np.uint64))
    keys = np.concatenate(parts) if parts else np.empty(0, np.uint64)
    new = np.zeros(len(keys), np.bool_)
    new[np.unique(keys, return_index=True)[1]] = True
    return new


def _chunks(
    path: Path, column: str, new: NDArray[np.bool_], encode: Callable[[list[str]], Columns]
) -> Iterator[Columns]:
    begin = 0
    for texts in _texts(path, column):
        kept = [text for text, wanted in zip(texts, new[begin : begin + len(texts)], strict=True) if wanted]
        begin += len(texts)
        if kept:
            yield encode(kept)


def _classes(
    values: NDArray[Any], words: tuple[str, ...], names: tuple[str, ...], *, where: str
) -> tuple[Labels, tuple[str, ...]]:
    """Class numbers and names; `values` number the `words` where there are any."""
    if values.dtype.kind == "f":
        raise BadData("labels are fractions", where=where, help="give whole numbers or names")
    found, targets = np.unique(values, return_inverse=True)
    if not names:
        if len(found) < 2:
            raise BadData("all labels are the same", where=where, help="give rows of at least two classes")
        return targets.astype(np.int64), tuple(words[value] if words else str(value) for value in found)
    if not words:
        if found[0] < 0 or found[-1] >= len(names):
            raise BadData(
                f"labels go from {found[0]} to {found[-1]}, but the model has {len(names)} classes", where=where
            )
        return values.astype(np.int64), names
    strange = [words[value] for value in found if words[value] not in names]
    if strange:
        raise BadData(f"the model knows no class {strange[0]!r}", where=where, help="its classes: " + ", ".join(names))
    return np.array([names.index(words[value]) for value in found], np.int64)[targets], names
