"""One rate, several, or the search for the highest one that a service keeps up with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator

from burnish.serve.load.summary import Summary

Measure = Callable[[float], Awaitable[Summary]]
"""Runs one rate."""

KEPT = 0.99
"""Share of requests that must be answered in time for a rate to count as kept up with."""

_HALVINGS = 4


async def at_rates(measure: Measure, rates: list[float]) -> list[Summary]:
    """Each rate in turn."""
    return [await measure(rate) for rate in rates]


async def until_the_knee(measure: Measure, first: float) -> list[Summary]:
    """Double the rate from `first` until it is not kept up with, then halve the interval four times.

    When not even `first` is kept up with, rates go down from there.
    """
    found: list[Summary] = []
    low, high = 0.0, 0.0
    rate = first
    while not (low and high) and len(found) < 20:
        found.append(await measure(rate))
        if kept(found[-1]):
            low = rate
            rate *= 2
        else:
            high = rate
            rate /= 2
    for _ in range(_HALVINGS):
        if not low:
            break
        middle = (low + high) / 2
        found.append(await measure(middle))
        low, high = (middle, high) if kept(found[-1]) else (low, middle)
    return sorted(found, key=lambda item: item.rate)


def kept(summary: Summary) -> bool:
    """Whether the service kept up."""
    return summary.in_time >= KEPT * summary.requests


def knee(found: list[Summary]) -> float:
    """The highest rate that was kept up with, 0.0 when none was."""
    return max(_kept_rates(found), default=0.0)


def _kept_rates(found: list[Summary]) -> Iterator[float]:
    return (item.rate for item in found if kept(item))
