"""Rows that are nearly there twice (`burnish.data.doubles` has those that are, byte for byte).

Near means that the cosine of two rows of features, each column standardized, is above a limit. All pairs are compared,
a block at a time: for some ten thousand rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.data.samples.features import Features

Rows = NDArray[np.int64]

NEAR = 0.995
_BLOCK = 1024


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
