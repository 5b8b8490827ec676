"""Cheap features of rows, for looking at data before training: no model is needed.

A table gives its own columns. Pictures [N, C, H, W] give mean and deviation of each channel and a grid of mean
brightness of at most 14 x 14. Rows of token numbers [N, L] give how many and how different the tokens are, and
counts in 64 buckets.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.data.split import Split

_GRID = 14
_BUCKETS = 64
_MANY = 256


@dataclass(frozen=True, kw_only=True)
class Features:
    """`values` float32 [N, F] and the F names."""

    names: tuple[str, ...]
    values: NDArray[np.float32]


def features(split: Split) -> Features:
    """Features of every row, from the inputs as they are stored: not prepared, not augmented. Targets are not used."""
    names: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for name, array in sorted(split.inputs.items()):
        found, values = _of(name, array)
        names += found
        parts.append(values)
    return Features(names=tuple(names), values=np.concatenate(parts, axis=1))


def _of(name: str, array: NDArray[np.generic]) -> tuple[list[str], NDArray[np.float32]]:
    if array.ndim == 1:
        return [name], array[:, None].astype(np.float32)
    if array.ndim == 4:
        return _picture(name, array)
    flat = array.reshape(len(array), -1)
    if flat.dtype.kind in "iu" and flat.dtype.itemsize > 1 and flat.shape[1] > 1 and _is_text(flat):
        return _tokens(name, flat)
    if flat.shape[1] > _MANY:
        edges = np.linspace(0, flat.shape[1], _MANY + 1).astype(int)[:-1]
        means = np.add.reduceat(flat.astype(np.float32), edges, axis=1)
        return [f"{name}[{edge}..]" for edge in edges], means
    return [f"{name}[{i}]" for i in range(flat.shape[1])], flat.astype(np.float32)


def _is_text(flat: NDArray[np.generic]) -> bool:
    """Token rows repeat one vocabulary in every column; columns of a table have ranges of their own."""
    highs = flat.max(axis=0)
    return bool(highs.max() > 256 and np.median(highs) > 0.1 * highs.max()) or flat.shape[1] > _MANY


def _picture(name: str, array: NDArray[np.generic]) -> tuple[list[str], NDArray[np.float32]]:
    pixels = array.astype(np.float32)
    rows, channels, height, width = pixels.shape
    mean, std = pixels.mean((2, 3)), pixels.std((2, 3))
    tall, wide = (np.linspace(0, size, min(_GRID, size) + 1).astype(int)[:-1] for size in (height, width))
    grid = np.add.reduceat(np.add.reduceat(pixels.mean(1), tall, axis=1), wide, axis=2)
    grid /= np.outer(np.diff(np.append(tall, height)), np.diff(np.append(wide, width)))
    names = [f"{name}.mean[{c}]" for c in range(channels)] + [f"{name}.std[{c}]" for c in range(channels)]
    names += [f"{name}.at[{y},{x}]" for y in tall for x in wide]
    return names, np.concatenate([mean, std, grid.reshape(rows, -1)], axis=1)


def _tokens(name: str, flat: NDArray[np.generic]) -> tuple[list[str], NDArray[np.float32]]:
    numbers = flat.astype(np.int64)
    used = numbers != 0
    ordered = np.sort(numbers, axis=1)
    different = 1 + (np.diff(ordered, axis=1) != 0).sum(1)
    buckets = (numbers * 2_654_435_761 % 2**32 * _BUCKETS) >> 32
    counts = np.stack([((buckets == b) & used).sum(1) for b in range(_BUCKETS)], axis=1)
    names = [f"{name}.count", f"{name}.different", *(f"{name}.bucket[{b}]" for b in range(_BUCKETS))]
    values = np.concatenate([used.sum(1)[:, None], different[:, None], counts], axis=1)
    return names, values.astype(np.float32)
