"""Many programs compared on a machine that has not the memory for all of them at once.

They are measured in groups, and the first program is in every group: what the others are compared with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from burnish.core.measurement import LatencyProfile, Measurement, Ratio
from burnish.measure.profiles import ratio

Item = TypeVar("Item")


def compare_groups(
    items: Sequence[Item],
    size: int,
    compare: Callable[[Sequence[Item]], Mapping[str, Sequence[LatencyProfile]]],
) -> dict[str, list[tuple[LatencyProfile, Ratio]]]:
    """By shape: the profile of every item, and how many times as fast as the first item it was in its own group.

    `compare` measures up to `size` (at least 2) items side by side, at every shape. The machine may have been slower
    for one group than for another: the times of later groups are given as they would be if the first item had taken
    as long as in the first group.
    """
    found: dict[str, list[tuple[LatencyProfile, Ratio]]] = {}
    for start in range(1, max(2, len(items)), size - 1):
        for shape, (first, *others) in compare([items[0], *items[start : start + size - 1]]).items():
            rows = found.setdefault(shape, [(first, ratio(first, first))])
            change = rows[0][0].p50.value / first.p50.value if start > 1 else 1.0
            rows += [(_scaled(profile, change), ratio(profile, first)) for profile in others]
    return found


def at_once(size_bytes: int, available_bytes: int) -> int:
    """How many programs of that size may be alive side by side: they take half of the memory, 2 to 16 of them.

    A process takes about 300 MB with a runtime loaded, and four times the program: a runtime keeps the file and
    its own copy of the weights, both also while it opens them.
    """
    each = 3e8 + 4 * size_bytes
    return int(min(16, max(2, available_bytes / 2 / each)))


def _scaled(profile: LatencyProfile, change: float) -> LatencyProfile:
    def times(found: Measurement) -> Measurement:
        return found.model_copy(
            update={"value": found.value * change, "low": found.low * change, "high": found.high * change}
        )

    return profile.model_copy(
        update={
            "p50": times(profile.p50),
            "p95": times(profile.p95),
            "p99": times(profile.p99),
            "rounds_ms": tuple(ms * change for ms in profile.rounds_ms),
        }
    )
