"""Which requests go into the next batch, and who can no longer be answered in time.

A large batch answers more requests per second and takes longer, so the oldest requests may stand in
its way. For every size the plan adds up how likely the waiting requests would still make it, takes the size
with the largest sum, and tells the others at once instead of letting them wait for nothing. With
one device and equal limits this is the policy that keeps the goodput up under overload; serving
strictly by deadline falls into batches of one or two there. Where batches take longer at times, requests that will
hardly be late come before those that may be: a place is worth more to them. But nobody is refused for what is
merely unlikely.

Who will stand in the way of a larger batch can be told before that batch begins, as soon as those who make it larger
are expected. Fewer are counted on than the rate says, by the deviation that their number has, so that few are sent
away for a batch that does not come about. A fixed share of them costs more answers and tells later.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Protocol

from burnish.serve.ask import Ask

_DEVIATIONS = 1.5
"""Standard deviations by which those who come may be fewer than expected (of a Poisson process: the root)."""

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
class Coming:
    """Who is expected after `now`: so many rows per second, each of which can wait `patience` seconds."""

    now: float
    rate: float
    patience: float

    def rows(self, start: float, end: float) -> float:
        """How many can be counted on to come before `start` with a deadline that is not before `end`."""
        expected = self.rate * max(0.0, start - max(self.now, end - self.patience))
        return max(0.0, expected - _DEVIATIONS * math.sqrt(expected))

    def outruns(self, rows: int, times: Times) -> bool:
        """Whether more come while a batch of that many runs."""
        return self.rate * times.likely(rows) > rows

    def can_wait(self, rows: int, times: Times) -> bool:
        """Whether the device keeps up with them by batches of that many, each of which they can wait out."""
        return not self.outruns(rows, times) and 2 * times.likely(rows) <= self.patience


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

    @property
    def rows(self) -> int:
        """Rows of all."""
        return self.rows_before[-1]

    def all_before(self, end: float, max_rows: int) -> bool:
        """Whether all of them fit into one batch that ends at that moment."""
        return 0 < self.rows <= max_rows and self.deadlines[0] >= end

    def rows_from(self, place: int) -> int:
        """Rows of all from `place` on."""
        return self.rows_before[-1] - self.rows_before[place]


def best_rows(queue: Queue, start: float, times: Times, max_rows: int, coming: Coming | None = None) -> int:
    """Rows of the batch, begun at `start`, that answers the most rows in time; 0 when none can.

    Those who are `coming` before `start` count as well.
    """
    if coming is None and queue.all_before(start + times.tail(queue.rows), max_rows):
        return queue.rows
    best, found = 0.0, 0
    for rows in range(1, max_rows + 1):
        end = start + times.likely(rows)
        likely = queue.late(end)
        more = coming.rows(start, end) if coming else 0.0
        if queue.rows_from(likely) + more <= best:
            break
        end = start + times.tail(rows)
        sure = queue.late(end)
        more = coming.rows(start, end) if coming else 0.0
        answered = min(float(rows), queue.rows_from(sure) + more)
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
    return _fill([*sorted(queue.asks[sure:], key=attrgetter("turn")), *reversed(queue.asks[likely:sure])], rows)


def _fill(asks: Iterable[Ask], rows: int) -> list[Ask]:
    """Those that find a place in a batch of that many rows, one after the other."""
    batch: list[Ask] = []
    for ask in asks:
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


def hopeless(asks: Sequence[Ask], start: float, times: Times, max_rows: int, coming: Coming) -> list[Ask]:
    """Those of `asks` (sorted by deadline) that no batch will answer in time when a device is free at `start`.

    While the device keeps up with those who are `coming`, only those are named for whom it is certain: later
    arrivals can only make the first batch larger, so who stands in its way now will stand in its way then.
    When it does not keep up, those who come before `start` are counted on, and what is left behind by
    the first batch is planned further.
    """
    doomed: list[Ask] = []
    left = list(asks)
    for _ in range(_FAR):
        if not left:
            break
        queue = Queue.of(left)
        if queue.all_before(start + times.likely(queue.rows), max_rows) and coming.can_wait(max_rows, times):
            break  # as below, found out at less cost
        rows = max(1, best_rows(queue, start, times, max_rows, coming))
        if not coming.outruns(rows, times):
            rows = max(1, best_rows(queue, start, times, max_rows))
            return doomed + left[: queue.late(start + times.likely(rows))]
        late = queue.late(start + times.likely(rows))
        doomed += left[:late]
        able = left[late:]
        if start > coming.now:  # a larger batch may come about, in which any of them can have a place
            batch = _fill(sorted(able, key=attrgetter("turn")), max_rows)
        else:
            batch = choose(Queue.of(able), start, times, rows)
        taken = {ask.id for ask in batch}
        left = [ask for ask in able if ask.id not in taken]
        start += times.likely(rows)
        coming = Coming(start, coming.rate, coming.patience)
    return doomed
