"""When which requests run: the queue of one model version, without clock, thread or socket.

The caller tells what happened and when (`arrive`, `cancel`, `finished`), asks `step` what to do, and
sleeps until `Step.wake` at the latest. So every decision can be replayed and tested in no time.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from burnish.core.noun import Field, Noun
from burnish.serve.ask import Ask, Reason, Refusal
from burnish.serve.gaps import Gaps
from burnish.serve.merge import Fits, never, padded
from burnish.serve.plan import Queue, choose, first, hopeless
from burnish.serve.profile import Curve, Profile

_COMING = 0.8
"""Share of the expected arrivals that early refusals count on."""

_SHORTEST_S = 5e-5
"""A hold shorter than this is not worth a timer."""


class Limits(Noun):
    """What a queue may hold and how batches may look."""

    max_batch: int = Field(default=32, ge=1, description="rows of a batch")
    max_wait_ms: float | None = Field(default=None, ge=0, description="longest hold of a batch; None: learned")
    max_queue: int = Field(default=1024, ge=1, description="requests waiting; more are refused at once")
    instances: int = Field(default=1, ge=1, description="batches that run at the same time")


@dataclass(frozen=True, slots=True)
class Batch:
    """Requests that run together as `bucket`, smaller ones padded. `expected_s` is the likely time of the profile."""

    id: int
    bucket: Hashable
    asks: tuple[Ask, ...]
    started: float
    expected_s: float

    @property
    def rows(self) -> int:
        """Rows of all its requests."""
        return sum(ask.rows for ask in self.asks)


@dataclass(slots=True)
class Step:
    """What to do now: batches to run, requests to refuse, and when to ask again if nothing happens."""

    run: list[Batch] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    wake: float | None = None


class Scheduler:
    """The queues of one model version. Not safe for several threads.

    `fits` says which buckets may be padded up to which; without `share` every request is a batch of its own.
    """

    def __init__(self, profile: Profile, limits: Limits | None = None, fits: Fits = never) -> None:
        self.profile = profile
        self.fits = fits
        self.share = True
        self.limits = limits or Limits()
        self._waiting: dict[Hashable, list[Ask]] = {}
        self._running: dict[int, Batch] = {}
        self._gaps = Gaps()
        self._used: dict[Hashable, float] = {}
        self._next = 0

    @property
    def waiting(self) -> int:
        """Requests in all queues."""
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> tuple[Batch, ...]:
        """Batches that were given out and are not finished."""
        return tuple(self._running.values())

    def arrive(self, ask: Ask, now: float) -> Refusal | None:
        """Take a request in. It is refused at once when no batch or no place in the queue is large enough."""
        self._gaps.arrived(now)
        if ask.rows > self.limits.max_batch:
            return Refusal(ask=ask, reason=Reason.TOO_LARGE)
        if self.waiting >= self.limits.max_queue:
            return Refusal(ask=ask, reason=Reason.QUEUE_FULL, retry_after=self._drained(now))
        queue = self._waiting.get(ask.bucket)
        if queue is None:
            queue = self._open(ask.bucket)
        insort(queue, ask, key=attrgetter("deadline"))
        return None

    def _open(self, bucket: Hashable) -> list[Ask]:
        """A queue for a bucket; one that was away for long has no claim to all the time it did not use."""
        least = min((self._used[other] for other in self._waiting), default=0.0)
        self._used = {other: used for other, used in self._used.items() if other in self._waiting or used > least}
        self._used[bucket] = max(self._used.get(bucket, 0.0), least)
        self._waiting[bucket] = []
        return self._waiting[bucket]

    def cancel(self, ids: Iterable[int]) -> list[Refusal]:
        """Take requests out that wait no longer: the client is gone. Those that run already are left alone."""
        gone = set(ids)
        found = [ask for queue in self._waiting.values() for ask in queue if ask.id in gone]
        self._remove(found)
        return [Refusal(ask=ask, reason=Reason.CANCELLED) for ask in found]

    def finished(self, batch: Batch, now: float, *, learn: bool = True) -> None:
        """A batch came back; `learn` its time, unless it failed."""
        del self._running[batch.id]
        self._used[batch.bucket] = self._used.get(batch.bucket, 0.0) + now - batch.started
        if learn:
            self.profile.observe(batch.bucket, batch.rows, now - batch.started)

    def step(self, now: float, *, idle: int) -> Step:
        """What to do at this moment, with that many devices idle."""
        step = Step()
        self._expire(now, step)
        held: set[Hashable] = set()
        while len(step.run) < idle:
            bucket = self._next_bucket(now, held)
            if bucket is None:
                break
            self._serve(bucket, now, step, held)
        if len(step.run) >= idle:
            self._refuse_hopeless(now, step)
        return step

    def _serve(self, bucket: Hashable, now: float, step: Step, held: set[Hashable]) -> None:
        """Begin a batch of this bucket, or hold it, or refuse who can no longer be answered."""
        times = self.profile.of(bucket)
        queue = self._waiting[bucket]
        waiting = Queue.of(queue)
        asks = choose(waiting, now, times, self.limits.max_batch) if self.share else first(waiting, now, times)
        if not asks:
            self._refuse(list(queue), now, step)
            return
        if self.share and len(self._waiting) > 1 and len(asks) < self.limits.max_batch:
            together = padded(bucket, asks, self._waiting, self.fits, self.profile, now, self.limits.max_batch)
            if together is not None:
                self._begin(*together, now, step)
                return
        hold = self._hold(now, asks, times) if self.share and len(asks) == len(queue) else 0.0
        if hold > _SHORTEST_S:
            held.add(bucket)
            step.wake = min(now + hold, step.wake or now + hold)
            return
        self._begin(bucket, asks, now, step)

    def _begin(self, bucket: Hashable, asks: Sequence[Ask], now: float, step: Step) -> None:
        self._remove(asks)
        expected_s = self.profile.of(bucket).likely(sum(ask.rows for ask in asks))
        batch = Batch(self._next, bucket, tuple(asks), now, expected_s)
        self._next += 1
        self._running[batch.id] = batch
        step.run.append(batch)

    def _hold(self, now: float, asks: Sequence[Ask], times: Curve) -> float:
        """Seconds to wait for more of the same bucket; 0.0 when the batch is full or nobody can come in time."""
        rows = sum(ask.rows for ask in asks)
        if rows >= self.limits.max_batch:
            return 0.0
        slack = min(ask.deadline for ask in asks) - now - times.tail(rows + 1)
        if self.limits.max_wait_ms is not None:
            oldest = min(ask.arrived for ask in asks)
            return min(oldest + self.limits.max_wait_ms / 1000 - now, slack)
        return self._gaps.hold(now, rows, times.likely, slack)

    def _next_bucket(self, now: float, held: set[Hashable]) -> Hashable | None:
        """The bucket whose turn it is: the earliest deadline; among those that cannot wait, who used least."""
        open_ = [bucket for bucket, queue in self._waiting.items() if queue and bucket not in held]
        if len(open_) < 2:
            return open_[0] if open_ else None
        cost = {b: self.profile.of(b).likely(sum(ask.rows for ask in self._waiting[b])) for b in open_}
        longest = max(cost.values())
        pressed = [b for b in open_ if self._waiting[b][0].deadline - cost[b] - now < longest]
        if pressed:
            return min(pressed, key=lambda b: self._used[b])
        return min(open_, key=lambda b: self._waiting[b][0].deadline)

    def _refuse_hopeless(self, now: float, step: Step) -> None:
        """Tell those at once who no longer have a chance when a device becomes free."""
        free = self._free(now)
        for bucket, queue in list(self._waiting.items()):
            rate = self._gaps.rate / len(self._waiting)
            coming = _COMING * rate * (free - now)
            if not self.share:
                likely = self.profile.of(bucket).likely
                self._refuse([ask for ask in queue if ask.deadline < free + likely(ask.rows)], now, step)
                continue
            late = hopeless(queue, free, self.profile.of(bucket), self.limits.max_batch, coming=coming, rate=rate)
            self._refuse(late, now, step)

    def _expire(self, now: float, step: Step) -> None:
        for queue in list(self._waiting.values()):
            late = [ask for ask in queue if ask.deadline <= now]
            step.refused += [Refusal(ask=ask, reason=Reason.EXPIRED) for ask in late]
            self._remove(late)

    def _refuse(self, asks: Sequence[Ask], now: float, step: Step) -> None:
        step.refused += [Refusal(ask=ask, reason=Reason.LATE, retry_after=self._drained(now)) for ask in asks]
        self._remove(asks)

    def _remove(self, asks: Sequence[Ask]) -> None:
        for bucket in {ask.bucket for ask in asks}:
            gone = {ask.id for ask in asks}
            left = [ask for ask in self._waiting[bucket] if ask.id not in gone]
            if left:
                self._waiting[bucket] = left
            else:
                del self._waiting[bucket]

    def _free(self, now: float) -> float:
        """When a device is likely to be free."""
        ends = [batch.started + batch.expected_s for batch in self._running.values()]
        return max(now, min(ends, default=now))

    def _drained(self, now: float) -> float:
        """Seconds until all that waits now has been run, as far as the profile knows."""
        seconds = self._free(now) - now
        for bucket, queue in self._waiting.items():
            rows = sum(ask.rows for ask in queue)
            whole, rest = divmod(rows, self.limits.max_batch)
            likely = self.profile.of(bucket).likely
            whole_s = whole * likely(self.limits.max_batch) + (likely(rest) if rest else 0.0)
            seconds += whole_s / self.limits.instances
        return seconds
