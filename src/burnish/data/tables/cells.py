"""Columns of a record batch to rows of numbers, without a Python object per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from burnish.core.errors import BadData


def numbers(batch: Any, columns: Sequence[str], *, where: str, first: int = 0) -> NDArray[Any]:
    """One column as it is (float64 as float32, lists of fixed length in their shape); several as float32 [N, columns].

    `first` is the row of the table that the batch begins with. Raises `BadData` naming column and row.
    """
    if len(columns) == 1:
        return _one(batch, columns[0], where, first)
    out = np.empty((batch.num_rows, len(columns)), np.float32)
    for place, name in enumerate(columns):
        column = _one(batch, name, where, first)
        if column.ndim != 1:
            raise BadData("lists cannot be one of several columns", where=f"{where}, column {name!r}")
        out[:, place] = column
    return out


def _one(batch: Any, name: str, where: str, first: int) -> NDArray[Any]:
    column, place = batch.column(name), f"{where}, column {name!r}"
    kind = column.type
    shape: tuple[int, ...] = ()
    if column.null_count:
        row = first + int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0])
        raise BadData("an empty cell", where=f"{place}, row {row}", help="fill it or drop the row")
    if pa.types.is_fixed_size_list(kind):
        told = (batch.schema.field(name).metadata or {}).get(b"shape", b"").split(b",")
        shape = tuple(int(size) for size in told if size) or (kind.list_size,)
        column, kind = column.flatten(), kind.value_type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)):
        raise BadData(f"a column of type {kind} cannot be used", where=place, help="give numbers or truth values")
    if column.null_count:
        raise BadData("an empty value in a list", where=place, help="fill it or drop the row")
    values: NDArray[Any] = column.to_numpy(zero_copy_only=False).reshape(batch.num_rows, *shape)
    return values.astype(np.float32) if values.dtype == np.float64 else values
