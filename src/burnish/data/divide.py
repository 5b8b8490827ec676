"""Held-out parts of one table: rows dealt out by seed, each class in the same share."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData

Rows = NDArray[np.int64]


def divide(targets: NDArray[np.generic], shares: tuple[float, ...], *, seed: int) -> tuple[Rows, ...]:
    """Row numbers of as many parts as there are shares, ascending; every row is in exactly one.

    `targets` are class numbers [N]; `shares` add up to 1. Parts differ from their share by at most
    one row per class. Raises `BadData` when a part would stay empty.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[Rows]] = [[] for _ in shares]
    edges = np.cumsum(shares)[:-1]
    for value in np.unique(targets):
        rows = rng.permutation(np.flatnonzero(targets == value))
        cuts = np.round(edges * len(rows)).astype(int)
        for part, piece in zip(parts, np.split(rows, cuts), strict=True):
            part.append(piece)
    whole = tuple(np.sort(np.concatenate(part)) if part else np.empty(0, np.int64) for part in parts)
    for share, rows in zip(shares, whole, strict=True):
        if len(rows) == 0:
            raise BadData(
                f"{len(targets)} rows are too few to divide",
                why=f"a part of {share:.0%} would hold no row",
                help="give more rows",
            )
    return whole
