"""How many replicas of a service there are, and how busy one may be before there are more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Self

from burnish.core.errors import RecipeError
from burnish.core.noun import Field, Noun

_SHARE = 0.7
"""Of what a replica can hold within the latency target: at this many requests another one is started."""


class Replicas(Noun):
    """At least `low`, at most `high`."""

    low: int = Field(default=1, ge=1)
    high: int = Field(default=1, ge=1)

    @classmethod
    def read(cls, text: str) -> Self:
        """`2` or `1:4`. Raises `RecipeError`."""
        low, colon, high = text.partition(":")
        ends = (low, high if colon else low)
        if not all(end.isdecimal() and int(end) > 0 for end in ends) or int(ends[0]) > int(ends[1]):
            raise RecipeError(f"{text[:32]!r} is not a number of replicas", where="--replicas", help="give 2, or 1:4")
        return cls(low=int(ends[0]), high=int(ends[1]))


def ongoing(seconds: Callable[[int], float], max_batch: int, instances: int, target_s: float | None) -> float:
    """Requests that a replica may have at once before another one pays.

    One batch that runs and one that waits, in every instance; less where the latency target leaves no room for
    so many: what arrives within the target at the best rate is all that can be answered in time (Little's law).
    """
    full = 2.0 * max_batch * instances
    if target_s is None:
        return full
    fit = [rows for rows in range(1, max_batch + 1) if seconds(rows) <= target_s] or [1]
    rate = max(rows / seconds(rows) for rows in fit) * instances
    return max(1.0, min(full, _SHARE * rate * target_s))
