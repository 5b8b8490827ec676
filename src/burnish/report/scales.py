"""Axes: from values to positions, and the round numbers in between."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps values `low`..`high` to positions `start`..`end`; logarithmic when `log`."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The position of a value; values outside are held at the edge."""
        low, high, value = (self._turn(x) for x in (self.low, self.high, min(max(value, self.low), self.high)))
        share = (value - low) / (high - low) if high > low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, about: int = 5) -> tuple[float, ...]:
        """Round values within the scale."""
        return log_ticks(self.low, self.high, about) if self.log else linear_ticks(self.low, self.high, about)

    def _turn(self, value: float) -> float:
        return math.log10(value) if self.log else value


def linear_ticks(low: float, high: float, about: int = 5) -> tuple[float, ...]:
    """Multiples of 1, 2 or 5 times a power of ten between `low` and `high`, about so many."""
    if high <= low:
        return (low,)
    rough = (high - low) / max(1, about)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(index * step, 12) for index in range(first, last + 1))


def log_ticks(low: float, high: float, about: int = 6) -> tuple[float, ...]:
    """Values 1, 2, 5 times powers of ten between `low` and `high`; sparser when too many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 1.5, 2, 3, 4, 5, 7), (1, 2, 5), (1, 3), (1,)):
        found = tuple(
            round(factor * 10.0**power, 12)
            for power in powers
            for factor in factors
            if low * 0.999 <= factor * 10.0**power <= high * 1.001
        )
        if len(found) <= about + 1:
            break
    return found
