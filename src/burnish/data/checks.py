"""Checks before any work: rows that cannot be trained or measured on, and rows in two splits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.data.doubles import find_shared
from burnish.data.split import Split

_AT_ONCE = 16_384
"""Rows that are looked at together: tables may be larger than memory."""


def check_split(split: Split, num_classes: int | None = None, *, name: str = "data") -> None:
    """Raise `BadData` on the first fault: no rows, lengths that differ, NaN, labels out of range.

    With `num_classes` the targets must be whole numbers from 0 to `num_classes` - 1. `name` says
    which split it is.
    """
    if not split.inputs:
        raise BadData("there is no input column", where=name, help="give at least one array")
    if len(split) == 0:
        raise BadData("there are no rows", where=name, help="give at least one row")
    columns = {**split.inputs, "targets": split.targets}
    if split.lengths is not None:
        columns["lengths"] = split.lengths
    for column, array in columns.items():
        _check_length(array, len(split), where=f"{name}, column {column!r}")
    for column, array in columns.items():
        _check_values(array, where=f"{name}, column {column!r}")
    if num_classes is not None:
        _check_labels(split.targets, num_classes, where=f"{name}, column 'targets'")


def check_disjoint(train: Split, test: Split, *, names: tuple[str, str] = ("train", "test")) -> list[str]:
    """A warning when inputs of one split are found, byte for byte, in the other. Targets do not count."""
    found = find_shared(train, test, names)
    return [found.line] if len(found.rows) else []


def _check_length(array: NDArray[np.generic], rows: int, *, where: str) -> None:
    if array.ndim == 0 or len(array) != rows:
        found = "no rows at all" if array.ndim == 0 else f"{len(array)} rows"
        raise BadData(f"{found}, but there are {rows} targets", where=where, help="give one row per target")


def _check_values(array: NDArray[np.generic], *, where: str) -> None:
    if array.dtype.kind not in "biuf":
        raise BadData(
            f"values of type {array.dtype} cannot become a tensor",
            where=where,
            help="turn them into numbers: token ids, category numbers, floats",
        )
    if array.dtype.kind != "f":
        return
    first, rows = None, 0
    for start in range(0, len(array), _AT_ONCE):
        finite = np.isfinite(array[start : start + _AT_ONCE])
        if finite.all():
            continue
        if first is None:
            first = np.argwhere(~finite)[0]
            first[0] += start
        rows += int((~finite.reshape(len(finite), -1).all(axis=1)).sum())
    if first is None:
        return
    place = f"row {first[0]}" + (f", element {tuple(first[1:].tolist())}" if len(first) > 1 else "")
    raise BadData(
        f"{array[tuple(first)]} in the data",
        where=f"{where}, {place}",
        why=f"{rows} of {len(array)} rows hold values that are not finite",
        help="drop these rows or fill the gaps",
    )


def _check_labels(targets: NDArray[np.generic], num_classes: int, *, where: str) -> None:
    if targets.dtype.kind not in "iu":
        raise BadData(f"class labels are {targets.dtype}", where=where, help="give whole numbers, such as int64")
    labels = targets.astype(np.int64)
    outside = (labels < 0) | (labels >= num_classes)
    if outside.any():
        bad = np.argwhere(outside)[0]
        raise BadData(
            f"the label {targets[tuple(bad)]} is out of range",
            where=f"{where}, row {bad[0]}",
            why=f"there are {num_classes} classes, so labels go from 0 to {num_classes - 1}; "
            f"{int(outside.sum())} labels do not",
            help="number the classes from 0, or give the true number of classes",
        )
