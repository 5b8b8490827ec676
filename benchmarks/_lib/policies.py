"""Other ways to choose batches, for comparison: what servers do today, and two that drop requests.

All begin a batch as soon as the device is free. One device, one row a request, the same limit for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Policy = Callable[[float, list[float], float, Sequence[float]], tuple[int, int]]
"""Moment, arrivals that wait (oldest first), limit, seconds by rows -> how many to drop, then how many to run."""


def first_come(_now: float, waiting: list[float], _limit: float, seconds: Sequence[float]) -> tuple[int, int]:
    """Everyone in turn, late or not."""
    return 0, min(len(waiting), len(seconds) - 1)


def without_the_late(now: float, waiting: list[float], limit: float, seconds: Sequence[float]) -> tuple[int, int]:
    """Drops who can no longer make it alone; then as many as the oldest one's limit allows."""
    drop = 0
    while drop < len(waiting) and waiting[drop] + limit - now < seconds[1]:
        drop += 1
    return drop, _fitting(now, waiting, drop, limit, seconds)


def skip_the_oldest(now: float, waiting: list[float], limit: float, seconds: Sequence[float]) -> tuple[int, int]:
    """The largest batch that makes it, whoever has to be dropped for it."""
    best = (len(waiting), 0)
    for drop in range(len(waiting)):
        run = _fitting(now, waiting, drop, limit, seconds)
        if run > best[1]:
            best = (drop, run)
        if len(waiting) - drop - 1 <= best[1]:
            break
    return best


POLICIES: dict[str, Policy] = {
    "first come": first_come,
    "without the late": without_the_late,
    "skip the oldest": skip_the_oldest,
}


def answered_in_time(policy: Policy, arrivals: Sequence[float], limit: float, seconds: Sequence[float]) -> float:
    """Share of requests answered within `limit`."""
    good, place, now = 0, 0, 0.0
    waiting: list[float] = []
    while waiting or place < len(arrivals):
        if not waiting:
            now = max(now, arrivals[place])
        while place < len(arrivals) and arrivals[place] <= now:
            waiting.append(arrivals[place])
            place += 1
        drop, run = policy(now, waiting, limit, seconds)
        batch = waiting[drop : drop + run]
        del waiting[: drop + run]
        if batch:
            now += seconds[len(batch)]
            good += sum(arrived + limit >= now - 1e-9 for arrived in batch)
    return good / len(arrivals)


def _fitting(now: float, waiting: list[float], drop: int, limit: float, seconds: Sequence[float]) -> int:
    """How many can run together from there on, so that the oldest of them makes it."""
    if drop >= len(waiting):
        return 0
    room = waiting[drop] + limit - now
    run = min(len(waiting) - drop, len(seconds) - 1)
    while run and seconds[run] > room:
        run -= 1
    return run
