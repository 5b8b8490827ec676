"""Which requests go into the next batch, and who can no longer be answered in time.

A large batch answers more requests per second and takes longer, so the oldest requests may stand in
its way. For every size the plan adds up how likely the waiting requests would still make it, takes the size
with the largest sum, and tells the others at once instead of letting them wait for nothing. With
one device and equal limits this is the policy that keeps the goodput up under overload; serving
strictly by deadline falls into batches of one or two there. Where batches take longer at times, requests that will
hardly be late come before those that may be: a place is worth more to them. But nobody is refused for what is
merely unlikely.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from burnish.serve.ask import Ask

_FAR = 8
"""Batches looked ahead; what lies behind them is not refused early."""


class Times(Protocol):
    """What is known of the time of a batch of one bucket, by its rows."""

    def likely(self, rows: int) -> float:
        """The median, in seconds."""

    def tail(self, rows: int) -> float:
        """What it will hardly exceed, in seconds."""

    def chance(self, rows: int, seconds: float) -> float:
        """How likely it ends within `seconds`."""


@dataclass(frozen=True, slots=True)
class Queue:
    """Waiting requests of one bucket, sorted by deadline, with what is needed to count them fast."""

    asks: Sequence[Ask]
    deadlines: Sequence[float]
    rows_before: Sequence[int]

    @classmethod
    def of(cls, asks: Sequence[Ask]) -> Queue:
        """`asks` are sorted by deadline."""
        before = [0]
        for ask in asks:
            before.append(before[-1] + ask.rows)
        return cls(asks, [ask.deadline for ask in asks], before)

    def late(self, moment: float) -> int:
        """How many must be answered before `moment`."""
        return bisect_left(self.deadlines, moment)

    def rows_from(self, place: int) -> int:
        """Rows of all from `place` on."""
        return self.rows_before[-1] - self.rows_before[place]


def best_rows(queue: Queue, start: float, times: Times, max_rows: int, *, coming: float = 0.0) -> int:
    """Rows of the batch, begun at `start`, that answers the most rows in time; 0 when none can.

    `coming` rows are expected to arrive before `start` with later deadlines than all that wait.
    """
    best, found = 0.0, 0
    for rows in range(1, max_rows + 1):
        likely = queue.late(start + times.likely(rows))
        if queue.rows_from(likely) + coming <= best:
            break
        sure = queue.late(start + times.tail(rows))
        answered = min(float(rows), queue.rows_from(sure) + coming)
        for place in range(sure - 1, likely - 1, -1):
            ask = queue.asks[place]
            if answered + ask.rows > rows:
                break
            answered += ask.rows * times.chance(rows, ask.deadline - start)
        if answered > best:
            best, found = answered, rows
    return found


def choose(queue: Queue, start: float, times: Times, max_rows: int) -> list[Ask]:
    """The batch to begin at `start`: whoever can be answered by its end, important and urgent ones first.

    Those who may be late come last. A request of more rows than are left in the batch stays behind; a
    request larger than any batch is not the plan's business.
    """
    rows = best_rows(queue, start, times, max_rows)
    if not rows:
        return []
    likely, sure = (queue.late(start + moment) for moment in (times.likely(rows), times.tail(rows)))
    batch: list[Ask] = []
    for ask in [*sorted(queue.asks[sure:], key=attrgetter("turn")), *reversed(queue.asks[likely:sure])]:
        if ask.rows <= rows:
            batch.append(ask)
            rows -= ask.rows
        if not rows:
            break
    return batch


def first(queue: Queue, start: float, times: Times) -> list[Ask]:
    """The one request to run at `start` where requests must not share a batch: first in turn, likely in time."""
    able = [ask for ask in queue.asks if ask.deadline >= start + times.likely(ask.rows)]
    return [min(able, key=attrgetter("turn"))] if able else []


def hopeless(
    asks: Sequence[Ask], start: float, times: Times, max_rows: int, *, coming: float = 0.0, rate: float = 0.0
) -> list[Ask]:
    """Those of `asks` (sorted by deadline) that no batch will answer in time when a device is free at `start`.

    While the device keeps up with `rate` rows per second, only those are named for whom it is certain: later
    arrivals can only make the first batch larger, so who stands in its way now will stand in its way then.
    When it does not keep up, the `coming` rows expected before `start` are counted on, and what is left behind by
    the first batch is planned further.
    """
    doomed: list[Ask] = []
    left = list(asks)
    for _ in range(_FAR):
        if not left:
            break
        queue = Queue.of(left)
        if queue.rows_before[-1] <= max_rows and left[0].deadline >= start + times.likely(queue.rows_before[-1]):
            break
        rows = max(1, best_rows(queue, start, times, max_rows))
        behind = rate * times.likely(rows) > rows
        if behind and coming:
            rows = max(1, best_rows(queue, start, times, max_rows, coming=coming))
        late = queue.late(start + times.likely(rows))
        doomed += left[:late]
        if not behind:
            break
        batch = {ask.id for ask in choose(Queue.of(left[late:]), start, times, rows)}
        left = [ask for ask in left[late:] if ask.id not in batch]
        start += times.likely(rows)
        coming = 0.0
    return doomed
