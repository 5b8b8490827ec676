"""How long a batch will take: a tail of measured times for every bucket and batch size.

A size that was never run is interpolated between its neighbours, or drawn on from the two largest.
More rows never count as faster. Deciding on a tail, not on a mean, is what keeps a promise
(Clipper, NSDI 2017, learned a line with its spread per batch size; the real curves have steps).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Annotated

from burnish.core.noun import Field, Noun

_KEPT = 64
"""Times kept per bucket and size; older ones are forgotten, so the profile follows the machine."""

_BUCKETS = 256
"""Buckets remembered: a client that sends every shape there is must not fill the memory."""


class Observed(Noun):
    """Times of one bucket and batch size, in seconds, oldest first. `bucket` is its printed name."""

    bucket: str
    rows: int = Field(ge=1)
    seconds: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]


@dataclass
class Curve:
    """Times of one bucket. `quantile` of the kept times counts as the time of a size."""

    max_rows: int
    quantile: float
    times: dict[int, deque[float]] = field(default_factory=dict)
    _tails: list[float] = field(default_factory=list)

    def add(self, rows: int, seconds: float) -> None:
        """One more measured batch."""
        self.times.setdefault(rows, deque(maxlen=_KEPT)).append(seconds)
        self._tails = []

    def seconds(self, rows: int) -> float:
        """Predicted time of a batch of 1 to `max_rows` rows; 0.0 while nothing is known."""
        if not self._tails:
            self._tails = self._table()
        return self._tails[min(rows, self.max_rows)]

    def _table(self) -> list[float]:
        known = sorted(self.times)
        tails = [tail(self.times[rows], self.quantile) for rows in known]
        table = [0.0] + [_between(known, tails, rows) for rows in range(1, self.max_rows + 1)]
        for rows in range(1, len(table)):
            table[rows] = max(table[rows], table[rows - 1])
        return table


class Profile:
    """The curves of one model version, by bucket. A bucket never seen borrows the slowest one known."""

    def __init__(self, max_rows: int, *, quantile: float = 0.95) -> None:
        self.max_rows = max_rows
        self.quantile = quantile
        self._curves: dict[Hashable, Curve] = {}
        self._earlier: dict[str, list[Observed]] = {}

    def observe(self, bucket: Hashable, rows: int, seconds: float) -> None:
        """Learn from a batch that was run. Raises `ValueError` on a time that is not a positive number."""
        if not math.isfinite(seconds) or seconds < 0 or rows < 1:
            raise ValueError(f"{rows} rows in {seconds} s is not a measurement")
        curve = self._curve(bucket) or Curve(self.max_rows, self.quantile)
        self._curves.pop(bucket, None)
        self._curves[bucket] = curve  # the last one used is the last one to be forgotten
        if len(self._curves) > _BUCKETS:
            del self._curves[next(iter(self._curves))]
        curve.add(min(rows, self.max_rows), seconds)

    def seconds(self, bucket: Hashable, rows: int) -> float:
        """Predicted time of a batch, in seconds."""
        curve = self._curve(bucket)
        if curve is not None:
            return curve.seconds(rows)
        return max((known.seconds(rows) for known in self._curves.values()), default=0.0)

    def observed(self) -> tuple[Observed, ...]:
        """Everything known, to be written down; `restore` is the inverse."""
        own = tuple(
            Observed(bucket=str(bucket), rows=rows, seconds=tuple(times))
            for bucket, curve in self._curves.items()
            for rows, times in sorted(curve.times.items())
        )
        return own + tuple(item for items in self._earlier.values() for item in items)

    def restore(self, observed: Iterable[Observed]) -> None:
        """Take up what an earlier process learned; it counts as soon as its bucket is met again."""
        for item in observed:
            if item.bucket in self._earlier or len(self._earlier) < _BUCKETS:
                self._earlier.setdefault(item.bucket, []).append(item)

    def _curve(self, bucket: Hashable) -> Curve | None:
        curve = self._curves.get(bucket)
        if curve is None and (items := self._earlier.pop(str(bucket), None)):
            curve = self._curves[bucket] = Curve(self.max_rows, self.quantile)
            for item in items:
                for seconds in item.seconds:
                    curve.add(min(item.rows, self.max_rows), seconds)
        return curve


def tail(times: Iterable[float], quantile: float) -> float:
    """The smallest time that at least a share `quantile` of the times does not exceed."""
    ordered = sorted(times)
    return ordered[max(0, math.ceil(quantile * len(ordered)) - 1)]


def _between(known: list[int], tails: list[float], rows: int) -> float:
    place = bisect_left(known, rows)
    if place < len(known) and known[place] == rows:
        return tails[place]
    if place == 0:
        return tails[0]
    if place < len(known):
        share = (rows - known[place - 1]) / (known[place] - known[place - 1])
        return tails[place - 1] + share * (tails[place] - tails[place - 1])
    if len(known) == 1:
        return tails[0] * rows / known[0]
    slope = (tails[-1] - tails[-2]) / (known[-1] - known[-2])
    return tails[-1] + max(0.0, slope) * (rows - known[-1])
