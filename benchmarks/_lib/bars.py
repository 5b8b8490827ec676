"""Bars: who is the best peer, how far we are ahead, and whether that is enough. Pure functions.

A peer counts only while it keeps the accuracy budget on the validation rows; among those, the
fastest at a served shape is the best one at that shape. Eager baselines are the fastest eager form
that gives the base model's own numbers (fp32).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from _lib.candidate import Candidate
from burnish.core.measurement import Ratio
from burnish.measure.profiles import ratio


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One claim: a value, its spread, the bar it has to reach, and whether it does.

    `least` says that the value must be at least the bar; otherwise at most. `value` is None when it
    could not be measured, and the bar then does not hold.
    """

    name: str
    value: float | None
    unit: str
    bar: float
    low: float | None = None
    high: float | None = None
    least: bool = True
    note: str = ""

    @property
    def holds(self) -> bool:
        """Whether the value reaches the bar."""
        if self.value is None:
            return False
        return bool(self.value >= self.bar if self.least else self.value <= self.bar)

    def to_dict(self) -> dict[str, Any]:
        """The form every benchmark of the project prints."""

        def short(value: float | None) -> float | None:
            return None if value is None else round(value, 4)

        return {
            "name": self.name,
            "value": short(self.value),
            "unit": self.unit,
            "spread": [short(self.low), short(self.high)],
            "bar": f"{'>=' if self.least else '<='} {self.bar:g}",
            "holds": self.holds,
            **({"note": self.note} if self.note else {}),
        }


def usable(candidates: Sequence[Candidate], shape: str) -> list[Candidate]:
    """Those that were timed at a shape."""
    return [item for item in candidates if not item.error and shape in item.latency]


def in_budget(candidates: Sequence[Candidate], base_validation: float, points: float) -> list[Candidate]:
    """Those whose validation metric is at most `points` (0.01 is a point) below the base's."""
    floor = base_validation - points - 1e-9
    return [item for item in candidates if item.validation is not None and item.validation >= floor]


def fastest(candidates: Sequence[Candidate], shape: str) -> Candidate | None:
    """Lowest median latency at a shape; None when nothing was timed there."""
    return min(usable(candidates, shape), key=lambda item: item.latency[shape].p50.value, default=None)


def best_peer(
    candidates: Sequence[Candidate], shape: str, base_validation: float, points: float, *, int8: bool = False
) -> Candidate | None:
    """The fastest peer inside the accuracy budget; with `int8`, among the INT8 ones only."""
    peers = [item for item in candidates if item.kind == "peer" and (item.int8 or not int8)]
    return fastest(in_budget(peers, base_validation, points), shape)


def eager_base(candidates: Sequence[Candidate], shape: str) -> Candidate | None:
    """The fastest eager FP32 form."""
    return fastest([item for item in candidates if item.kind in ("base", "eager-fp32")], shape)


def ours_at(candidates: Sequence[Candidate], shape: str) -> Candidate | None:
    """Ours for a shape: the one made for it, else the artifact."""
    ours = usable([item for item in candidates if item.kind == "ours"], shape)
    own = [item for item in ours if item.only == shape]
    return next(iter(own or ours), None)


def faster(ours: Candidate | None, other: Candidate | None, shape: str) -> Ratio | None:
    """How many times faster ours is at a shape, round by round."""
    if ours is None or other is None:
        return None
    return ratio(ours.latency[shape], other.latency[shape])


def speed_bar(name: str, ours: Candidate | None, other: Candidate | None, shape: str, bar: float) -> Bar:
    """A bar on a ratio of latencies."""
    found = faster(ours, other, shape)
    if found is None or ours is None or other is None:
        return Bar(name=name, value=None, unit="x", bar=bar, note="not measured")
    note = f"{ours.label} against {other.label}"
    return Bar(name=name, value=found.value, unit="x", low=found.low, high=found.high, bar=bar, note=note)


def points_bar(name: str, ours: Candidate | None, bar: float) -> Bar:
    """A bar on the paired difference of the test metric, in points."""
    delta = None if ours is None else ours.test_delta
    if delta is None:
        return Bar(name=name, value=None, unit="points", bar=bar, note="not measured")
    low, value, high = (100 * number for number in (delta.low, delta.value, delta.high))
    return Bar(name=name, value=value, unit="points", low=low, high=high, bar=bar, note=delta.protocol)
