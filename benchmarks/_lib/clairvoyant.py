"""The best that any schedule can do on one device when all arrivals are known beforehand.

All requests have one row and the same limit, so a batch is best made of neighbours, oldest first, and
what is left out is left out at its front. Dynamic programming over the next request and the time the device
is free, on a grid: rounded against the schedule it is a lower bound, for it an upper one.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def most_in_time(
    arrivals: Sequence[float], limit: float, seconds: Sequence[float], *, grid: float = 0.001, upper: bool = False
) -> int:
    """Most requests answered within `limit` of their arrival.

    `arrivals` are sorted; `seconds[n]` is the time of a batch of n, rising, `seconds[0]` unused.
    """
    down, up = (_floor, _ceil) if upper else (_ceil, _floor)
    arrived = down(np.asarray(arrivals) / grid)
    due = up((np.asarray(arrivals) + limit) / grid)
    cost = down(np.asarray(seconds) / grid)
    count, width = len(arrived), int(np.ceil(limit / grid)) + 2
    offsets = np.arange(width)
    values = np.zeros((count + 1, width), np.int32)
    """[i, o]: most requests from i on, when the device becomes free o steps after i arrived; the last column
    stands for all later ones, in which i is lost."""

    def from_here(index: int, free: np.ndarray) -> np.ndarray:
        """Value with the next request `index` and the device free at these moments, at most a batch after it."""
        if index >= count:
            return np.zeros(len(free), np.int32)
        found = values[index][np.clip(free - arrived[index], 0, width - 1)]
        far = np.flatnonzero(free - arrived[index] >= width - 1)
        if len(far):
            first = np.searchsorted(arrived, free[far] - width + 2, side="left")
            for place, other in zip(far, first, strict=True):
                found[place] = 0 if other >= count else values[other][max(0, free[place] - arrived[other])]
        return found

    for index in range(count - 1, -1, -1):
        free = arrived[index] + offsets
        best = from_here(index + 1, free)
        for rows in range(1, min(len(cost) - 1, count - index) + 1):
            last = arrived[index + rows - 1]
            end = np.maximum(free, last) + cost[rows]
            able = end <= due[index]
            if not able.any():
                break
            best = np.where(able, np.maximum(best, rows + from_here(index + rows, end)), best)
        values[index] = best
    return int(values[0, 0])


def _floor(steps: np.ndarray) -> np.ndarray:
    """Whole steps below; what lies on the grid but for rounding stays."""
    return np.floor(steps + 1e-6).astype(np.int64)


def _ceil(steps: np.ndarray) -> np.ndarray:
    return np.ceil(steps - 1e-6).astype(np.int64)
