"""Whether requests of smaller shapes are padded up and run together with larger ones.

On most devices a batch costs much by itself and little more for each row, so one padded batch may take less
time than two that fit. Whether it does is read from the profile, for every shape that waits.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from heapq import merge
from operator import attrgetter

from burnish.serve.ask import Ask
from burnish.serve.plan import Queue, choose
from burnish.serve.profile import Profile

Fits = Callable[[Hashable, Hashable], bool]
"""Whether a request of the first bucket can be padded to the second one."""

_TARGETS = 4
"""Larger shapes that are tried, the next ones first."""


def never(_small: Hashable, _large: Hashable) -> bool:
    """Nothing may be padded."""
    return False


def padded(
    bucket: Hashable,
    alone: Sequence[Ask],
    waiting: Mapping[Hashable, Sequence[Ask]],
    fits: Fits,
    profile: Profile,
    now: float,
    max_rows: int,
) -> tuple[Hashable, list[Ask]] | None:
    """A batch with requests of several buckets, `bucket` among them, behind the bucket it runs as; else None.

    The one that saves the most device time over separate batches, while `bucket` keeps its share of what it would
    get `alone`.
    """
    enough = min(sum(ask.rows for ask in alone), max_rows // 2)
    best, least = None, 0.0
    targets = [bucket, *(other for other in waiting if fits(bucket, other))]
    for target in sorted(targets, key=lambda found: profile.of(found).likely(1))[:_TARGETS]:
        others = [found for found in waiting if found == target or fits(found, target)]
        if len(others) < 2 or not profile.knows(target):
            continue
        pool = list(merge(*(waiting[found] for found in others), key=attrgetter("deadline")))
        asks = choose(Queue.of(pool), now, profile.of(target), max_rows)
        rows: dict[Hashable, int] = {}
        for ask in asks:
            rows[ask.bucket] = rows.get(ask.bucket, 0) + ask.rows
        if len(rows) < 2 or rows.get(bucket, 0) < enough:
            continue
        apart = sum(profile.of(found).likely(count) for found, count in rows.items())
        saved = apart - profile.of(target).likely(sum(rows.values()))
        if saved > least:
            best, least = (target, asks), saved
    return best
