"""How long a batch will take: learned from measured times, for every bucket and batch size.

Two answers: the likely time (a median) and a tail of it. Deciding on a tail, not on a mean, is what keeps a
promise (Clipper, NSDI 2017, learned a line with its spread per batch size; the real curves have steps). More rows
never count as faster: medians of sizes that say otherwise are pooled (isotonic regression by pooling
adjacent violators, weighted by their number of times), so that one slow moment at a rare size does not
spoil the larger ones. The tail is the likely time times a ratio that all sizes share: a machine that is disturbed
is disturbed at every size. A size never run is interpolated, or drawn on from the two largest.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Annotated

from burnish.core.noun import Field, Noun

_KEPT = 64
"""Times kept per bucket and size; older ones are forgotten, so the profile follows the machine."""

_RECENT = 128
"""Batches of a bucket from which the tail is taken."""

_SHARE = 16
"""A table is made anew when a sixteenth of what it is made of has changed: between two batches it costs 0.1 ms."""

_BUCKETS = 256
"""Buckets remembered: a client that sends every shape there is must not fill the memory."""


class Observed(Noun):
    """Times of one bucket and batch size, in seconds, oldest first. `bucket` is its printed name."""

    bucket: str
    rows: int = Field(ge=1)
    seconds: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]


@dataclass
class Curve:
    """Times of one bucket."""

    max_rows: int
    quantile: float
    times: dict[int, deque[float]] = field(default_factory=dict)
    recent: deque[tuple[int, float]] = field(default_factory=lambda: deque(maxlen=_RECENT))
    _unread: int = 0
    _medians: dict[int, float] = field(default_factory=dict)
    _likely: list[float] = field(default_factory=list)
    _ratios: list[float] = field(default_factory=lambda: [1.0])
    _tail: float = 1.0

    def add(self, rows: int, seconds: float) -> None:
        """One more measured batch."""
        kept = self.times.setdefault(rows, deque(maxlen=_KEPT))
        kept.append(seconds)
        self._medians[rows] = tail(kept, 0.5)
        self.recent.append((rows, seconds))
        self._unread += 1
        if self._unread > len(self.recent) // _SHARE:
            self._likely = []

    def likely(self, rows: int) -> float:
        """Median time of a batch of 1 to `max_rows` rows; 0.0 while nothing is known."""
        if not self._likely:
            self._unread = 0
            self._likely = self._table()
            found = sorted(seconds / known for size, seconds in self.recent if (known := self._likely[size]) > 0)
            self._ratios = found or [1.0]
            self._tail = max(1.0, tail(self._ratios, self.quantile))
        return self._likely[min(rows, self.max_rows)]

    def tail(self, rows: int) -> float:
        """The time that a share `quantile` of recent batches would not exceed at that size."""
        likely = self.likely(rows)
        return likely * self._tail

    def chance(self, rows: int, seconds: float) -> float:
        """Share of recent batches that would have ended within `seconds` at that size."""
        likely = self.likely(rows)
        return bisect_right(self._ratios, seconds / likely + 1e-9) / len(self._ratios) if likely else 1.0

    def _table(self) -> list[float]:
        known = sorted(self._medians)
        if not known:
            return [0.0] * (self.max_rows + 1)
        medians = _rising([self._medians[rows] for rows in known], [len(self.times[rows]) for rows in known])
        return [0.0] + [_between(known, medians, rows) for rows in range(1, self.max_rows + 1)]


class Profile:
    """The curves of one model version, by bucket."""

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

    def forget(self, bucket: Hashable) -> None:
        """Nothing is known of a bucket any more."""
        self._curves.pop(bucket, None)
        self._earlier.pop(str(bucket), None)

    def of(self, bucket: Hashable) -> Curve:
        """What is known of a bucket; one never seen borrows the slowest curve."""
        curve = self._curve(bucket)
        if curve is not None:
            return curve
        known = self._curves.values()
        return max(known, key=lambda curve: curve.likely(1), default=Curve(self.max_rows, self.quantile))

    def knows(self, bucket: Hashable) -> bool:
        """Whether a batch of this bucket was ever run."""
        return self._curve(bucket) is not None

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


def _rising(values: list[float], weights: list[int]) -> list[float]:
    """The nearest rising sequence: neighbours that fall become their weighted mean."""
    pools: list[tuple[float, int, int]] = []
    for value, weight in zip(values, weights, strict=True):
        mean, total, count = value, weight, 1
        while pools and pools[-1][0] > mean:
            earlier, more, members = pools.pop()
            mean = (mean * total + earlier * more) / (total + more)
            total, count = total + more, count + members
        pools.append((mean, total, count))
    return [mean for mean, _, count in pools for _ in range(count)]


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
