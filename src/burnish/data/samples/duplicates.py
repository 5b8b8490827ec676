"""Rows that are there twice: byte for byte, and nearly.

Near means that the cosine of two rows of features, each column standardized, is above a limit. All pairs are compared,
a block at a time: for some ten thousand rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.data.checks import row_hashes
from burnish.data.samples.features import Features
from burnish.data.split import Split

Rows = NDArray[np.int64]

NEAR = 0.995
_BLOCK = 1024


def exact(split: Split) -> Rows:
    """Row numbers whose inputs are those of an earlier row, byte for byte."""
    keys = row_hashes(split)
    again = np.ones(len(keys), np.bool_)
    again[np.unique(keys, return_index=True)[1]] = False
    return np.flatnonzero(again)


def near(found: Features, *, limit: float = NEAR) -> Rows:
    """Row numbers whose features have a cosine above `limit` to those of an earlier row."""
    values = found.values - found.values.mean(0)
    values = values / np.maximum(values.std(0), 1e-6)
    values = values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6)
    rows: list[Rows] = []
    for start in range(0, len(values), _BLOCK):
        block = values[start : start + _BLOCK]
        close = block @ values[: start + len(block)].T > limit
        close[np.arange(len(block))[:, None] + start <= np.arange(close.shape[1])[None]] = False
        rows.append(start + np.flatnonzero(close.any(axis=1)))
    return np.concatenate(rows) if rows else np.empty(0, np.int64)
