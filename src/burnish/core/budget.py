"""The budget: limits that decide what is kept and which point is returned.

Text form, clauses separated by commas: `accuracy>=-1pt, latency_p95<=5ms, size<=4MB`. A metric in
points (`pt`) is relative to the uncompressed model; every other number is absolute. Known beside the
workload's own metric: latency_p50, latency_p95, latency_p99, size, parameters, macs, memory,
speedup, smaller.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Literal

from burnish.core.errors import RecipeError, did_you_mean
from burnish.core.evidence import Point
from burnish.core.noun import Noun

_CLAUSE = re.compile(r"\s*([A-Za-z][\w-]*)\s*(>=|<=)\s*([-+]?\d+(?:\.\d*)?)\s*([A-Za-z%]*)\s*")
_UNITS = {
    "": 1.0, "x": 1.0, "pt": 0.01, "pts": 0.01, "%": 0.01, "us": 1e-3, "ms": 1.0, "s": 1e3,
    "k": 1e3, "m": 1e6, "g": 1e9, "b": 1.0, "kb": 1e3, "mb": 1e6, "gb": 1e9,
    "kib": 2.0**10, "mib": 2.0**20, "gib": 2.0**30,
}  # fmt: skip
_PERCENTILES = {"latency": "p50", "latency_p50": "p50", "latency_p95": "p95", "latency_p99": "p99"}
_READERS: dict[str, Callable[[Point], float | None]] = {
    "speedup": lambda point: min((ratio.value for ratio in point.speedup.values()), default=None),
    "size": lambda point: point.size_bytes or None,
    "parameters": lambda point: point.parameters or None,
    "macs": lambda point: point.macs or None,
    "smaller": lambda point: point.smaller,
    "memory": lambda point: max((p.peak_memory_bytes for p in point.latency.values()), default=None),
}


class Limit(Noun):
    """One clause. `value` is in ms, bytes, counts, or the metric's own unit (a point is 0.01)."""

    text: str
    name: str
    upper: bool
    value: float
    relative: bool = False

    @property
    def percentile(self) -> str | None:
        """p50, p95 or p99 for a latency limit."""
        return _PERCENTILES.get(self.name)

    def keeps(self, value: float) -> bool:
        """Whether a value is inside the limit."""
        return value <= self.value if self.upper else value + 1e-9 >= self.value


class Budget(Noun):
    """All limits of a run."""

    text: str = ""
    limits: tuple[Limit, ...] = ()

    def quality(self, metric: str) -> Limit | None:
        """The limit on the workload's metric, if there is one."""
        return next((limit for limit in self.limits if limit.name == metric.replace("-", "_")), None)

    def latency(self) -> Limit | None:
        """The first limit on latency, if there is one."""
        return next((limit for limit in self.limits if limit.percentile), None)

    def keeps_quality(self, metric: str, value: float, base: float) -> bool:
        """Whether a model of that value of the metric is inside the limit on it, if there is one."""
        limit = self.quality(metric)
        return limit is None or limit.keeps(value - base if limit.relative else value)

    @property
    def limits_bytes(self) -> bool:
        """Whether a slower candidate may be wanted because it is smaller."""
        return any(limit.name in ("size", "smaller", "memory") for limit in self.limits)

    def judge(
        self, point: Point, base: Point, metric: str, split: Literal["validation", "test"]
    ) -> dict[str, bool | None]:
        """Each clause -> kept, broken, or None where it was not measured.

        The metric is read from that split. A latency limit holds at the first served shape.
        """
        return {limit.text: self._holds(limit, point, base, metric, split) for limit in self.limits}

    def _holds(self, limit: Limit, point: Point, base: Point, metric: str, split: str) -> bool | None:
        value: float | None
        if limit.name == metric.replace("-", "_"):
            ours, theirs = (p.validation if split == "validation" else p.test for p in (point, base))
            value = None if ours is None else ours.value
            if limit.relative:
                value = None if ours is None or theirs is None else ours.value - theirs.value
        elif limit.percentile:
            first = next(iter(point.latency.values()), None)
            shown = {} if first is None else {"p50": first.p50, "p95": first.p95, "p99": first.p99}
            value = shown[limit.percentile].value if shown else None
        else:
            value = _READERS[limit.name](point)
        return None if value is None else limit.keeps(value)


def parse_budget(text: str, metric: str) -> Budget:
    """Read the text form. Raises `RecipeError` naming the clause that is not one."""
    limits = []
    names = {metric.replace("-", "_"), *_PERCENTILES, *_READERS}
    for part in (piece for piece in text.split(",") if piece.strip()):
        match = _CLAUSE.fullmatch(part)
        if match is None:
            raise RecipeError(f"cannot read {part.strip()!r}", where="budget", help="write it like latency_p95<=5ms")
        name, sign, number, unit = match.group(1).replace("-", "_"), *match.groups()[1:]
        if name not in names:
            raise RecipeError(f"nothing called {name!r} is measured", where="budget", help=did_you_mean(name, names))
        if unit.lower() not in _UNITS:
            raise RecipeError(f"unknown unit {unit!r}", where=f"budget: {part.strip()}", help="ms, s, pt, %, MB, M, x")
        relative = unit.lower() in ("pt", "pts")
        if relative and name != metric.replace("-", "_"):
            raise RecipeError("points belong to the metric", where=f"budget: {part.strip()}", help=f"{metric}>=-1pt")
        value = float(number) * _UNITS[unit.lower()]
        if value <= 0 and name != metric.replace("-", "_"):
            raise RecipeError("no model can keep this limit", where=f"budget: {part.strip()}", help="give a number > 0")
        limits.append(Limit(text=part.strip(), name=name, upper=sign == "<=", value=value, relative=relative))
    return Budget(text=text, limits=tuple(limits))
