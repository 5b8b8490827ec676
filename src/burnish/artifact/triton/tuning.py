"""Triton's batching settings from how long batches take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

_GOOD = 0.95
"""Share of the best rate that makes a size worth preferring."""

_SHARE = 0.1
"""Of the time that one shared batch saves: how long Triton may hold a request for a second one. Every
request of a lone client pays it, so it is a small part of what is gained when there are two."""


@dataclass(frozen=True)
class Tuning:
    """`max_batch` rows at most; sizes that are sent as soon as they are reached; the longest hold; processes."""

    max_batch: int
    preferred: tuple[int, ...] = ()
    delay_us: int = 0
    instances: int = 1


def tune(
    seconds: Callable[[int], float], max_batch: int, *, target_s: float | None = None, instances: int = 1
) -> Tuning:
    """Preferred sizes are those near the best rows per second that leave time within `target_s`.

    Triton sends a preferred size the moment it is there, so small sizes are not in the list. Where single
    rows are about as good as any batch, nothing is held back.
    """
    sizes = [1 << power for power in range(max_batch.bit_length()) if 1 << power <= max_batch]
    fit = [size for size in sizes if target_s is None or seconds(size) <= target_s] or sizes[:1]
    best = max(size / seconds(size) for size in fit)
    preferred = tuple(size for size in fit if size / seconds(size) >= _GOOD * best)
    if preferred[0] == 1:
        return Tuning(max_batch, instances=instances)
    saved = max(0.0, 2 * seconds(1) - seconds(2))
    slack = max(0.0, target_s - seconds(preferred[-1])) if target_s is not None else saved
    return Tuning(max_batch, preferred, round(1e6 * min(_SHARE * saved, slack)), instances)
