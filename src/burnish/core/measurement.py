"""A number we measured, never bare: value, unit, spread, count, protocol, machine."""

from __future__ import annotations

from burnish.core.noun import Noun


class Measurement(Noun):
    """One measured quantity.

    `low` and `high` bound the value: for times the quartiles over rounds, for quality the 95 %
    interval. `protocol` says how it was taken, in words that let someone else repeat it.
    """

    name: str
    value: float
    unit: str
    low: float
    high: float
    n: int
    warmup: int = 0
    protocol: str
    machine: str

    def __str__(self) -> str:
        return f"{self.value:.4g} {self.unit} [{self.low:.4g}, {self.high:.4g}]"


class LatencyProfile(Noun):
    """Latency of one executable at one served shape, taken in interleaved rounds.

    `rounds_ms` holds the median of every round, in the order of the rounds: two profiles of the
    same comparison are paired by index, and their ratio is taken round by round. `other_cores` is how
    many cores other programs took meanwhile.
    """

    label: str
    served: str
    p50: Measurement
    p95: Measurement
    p99: Measurement
    rounds_ms: tuple[float, ...]
    peak_memory_bytes: int
    other_cores: float = 0.0


class Ratio(Noun):
    """How many times faster (or smaller) one thing is than a named baseline, in the same run."""

    baseline: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.2f}x [{self.low:.2f}, {self.high:.2f}] of {self.baseline}"
