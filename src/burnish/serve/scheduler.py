"""When which requests run: the queue of one model version, without clock, thread or socket.

The caller tells what happened and when (`arrive`, `cancel`, `finished`), asks `step` what to do, and
sleeps until `Step.wake` at the latest. So every decision can be replayed and tested in no time.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from burnish.serve.ask import Ask, Reason, Refusal
from burnish.serve.batch import Batch, Limits, Step
from burnish.serve.gaps import Gaps
from burnish.serve.merge import Fits, never, padded
from burnish.serve.plan import Coming, Queue, choose, first, hopeless
from burnish.serve.profile import Curve, Profile
from burnish.serve.queues import Queues
from burnish.serve.running import Running

_TRY_S = 1.0
"""So long nobody of a bucket could be answered in time, and no batch of it came back: then one is tried all the same.
What the profile knows may be from a bad moment, and where nothing runs it would never learn better."""

_BARRED = 256
"""Buckets for which that is known."""

_SHORTEST_S = 5e-5
"""A hold shorter than this is not worth a timer."""


@dataclass(frozen=True)
class _Turn:
    """What is decided on: now, on a batch that begins at `start`, `behind` the one with that number."""

    now: float
    start: float
    behind: int | None = None


class Scheduler:
    """The queues of one model version. Not safe for several threads.

    `fits` says which buckets may be padded up to which; without `share` every request is a batch of its own. What
    follows a batch is given out `ahead_s` before that one's likely end; 0: when it has ended.
    """

    def __init__(
        self, profile: Profile, limits: Limits | None = None, fits: Fits = never, *, ahead_s: float = 0.0
    ) -> None:
        self.profile = profile
        self.fits = fits
        self.share = True
        self.limits = limits or Limits()
        self._queues = Queues()
        self._running = Running(ahead_s)
        self._gaps = Gaps()
        self._barred: dict[Hashable, float] = {}
        self._next = 0

    @property
    def waiting(self) -> int:
        """Requests in all queues."""
        return len(self._queues)

    @property
    def running(self) -> tuple[Batch, ...]:
        """Batches that were given out and are not finished."""
        return tuple(self._running)

    def arrive(self, ask: Ask, now: float) -> Refusal | None:
        """Take a request in. It is refused at once when no batch or no place in the queue is large enough."""
        self._gaps.arrived(now, self.waiting + 1)
        if ask.rows > self.limits.max_batch:
            return Refusal(ask=ask, reason=Reason.TOO_LARGE)
        if self.waiting >= self.limits.max_queue:
            return Refusal(ask=ask, reason=Reason.QUEUE_FULL, retry_after=self._drained(now))
        self._queues.add(ask)
        return None

    def cancel(self, ids: Iterable[int]) -> list[Refusal]:
        """Take requests out that wait no longer: the client is gone. Those that run already are left alone."""
        return [Refusal(ask=ask, reason=Reason.CANCELLED) for ask in self._queues.take(ids)]

    def finished(self, batch: Batch, now: float, *, learn: bool = True) -> Batch:
        """A batch came back; `learn` its time, unless it failed. The batch, with the moment at which it began."""
        batch = self._running.done(batch, now)
        seconds = max(0.0, now - batch.started)
        self._queues.used(batch.bucket, seconds)
        self._barred.pop(batch.bucket, None)
        if learn:
            if batch.trial:
                self.profile.forget(batch.bucket)
            self.profile.observe(batch.bucket, batch.rows, seconds)
        return batch

    def step(self, now: float, *, idle: int) -> Step:
        """What to do at this moment, with that many devices idle."""
        step = Step()
        step.refused += [Refusal(ask=ask, reason=Reason.EXPIRED) for ask in self._queues.take_expired(now)]
        held: set[Hashable] = set()
        while len(step.run) < idle:
            bucket = self._queues.next(now, self.profile, held)
            if bucket is None:
                break
            self._serve(bucket, _Turn(now, now), step, held)
        if len(step.run) >= idle:
            self._run_ahead(now, step, held)
            self._refuse_hopeless(now, step)
        return step

    def _run_ahead(self, now: float, step: Step, held: set[Hashable]) -> None:
        """Give out what comes behind batches that are about to end."""
        ending, due = self._running.ending(now)
        for end, batch in ending:
            bucket = self._queues.next(end, self.profile, held)
            if bucket is not None:
                self._serve(bucket, _Turn(now, end, batch.id), step, held)
        if due is not None and self.waiting:
            step.wake = min(due, step.wake or due)

    def _serve(self, bucket: Hashable, turn: _Turn, step: Step, held: set[Hashable]) -> None:
        """Give out a batch of this bucket, or hold it, or refuse who can no longer be answered."""
        times = self.profile.of(bucket)
        queue = self._queues.buckets[bucket]
        waiting = Queue.of(queue)
        most = self.limits.max_batch
        asks = choose(waiting, turn.start, times, most) if self.share else first(waiting, turn.start, times)
        if not asks:
            held.add(bucket)
            if turn.behind is None:
                self._nobody(bucket, turn.now, step)
            return
        if self.share and len(self._queues.buckets) > 1 and len(asks) < most:
            together = padded(bucket, asks, self._queues.buckets, self.fits, self.profile, turn.start, most)
            if together is not None:
                self._begin(*together, turn, step)
                return
        hold = self._hold(turn.now, asks, times) if self.share and len(asks) == len(queue) else 0.0
        if hold > max(_SHORTEST_S, turn.start - turn.now):
            held.add(bucket)
            step.wake = min(turn.now + hold, step.wake or turn.now + hold)
            return
        self._begin(bucket, asks, turn, step)

    def _nobody(self, bucket: Hashable, now: float, step: Step) -> None:
        """Nobody of this bucket can be answered in time: refuse them, but now and then try one all the same."""
        if now - self._barred.setdefault(bucket, now) >= _TRY_S:
            self._begin(bucket, self._queues.buckets[bucket][-1:], _Turn(now, now), step, trial=True)
        elif len(self._barred) > _BARRED:
            del self._barred[next(iter(self._barred))]
        self._refuse(self._queues.buckets.get(bucket, ()), now, step)

    def _begin(self, bucket: Hashable, asks: Sequence[Ask], turn: _Turn, step: Step, *, trial: bool = False) -> None:
        self._queues.remove(asks)
        expected_s = self.profile.of(bucket).likely(sum(ask.rows for ask in asks))
        batch = Batch(self._next, bucket, tuple(asks), turn.start, expected_s, trial, turn.behind)
        self._next += 1
        self._running.add(batch)
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

    def _refuse_hopeless(self, now: float, step: Step) -> None:
        """Tell those at once who no longer have a chance when a device becomes free."""
        free = self._running.free(now)
        rate = self._gaps.rate / max(1, len(self._queues.buckets))
        for bucket, queue in list(self._queues.buckets.items()):
            if not self.share:
                likely = self.profile.of(bucket).likely
                self._refuse([ask for ask in queue if ask.deadline < free + likely(ask.rows)], now, step)
                continue
            last = queue[-1]
            coming = Coming(now, rate, last.deadline - last.arrived)
            self._refuse(hopeless(queue, free, self.profile.of(bucket), self.limits.max_batch, coming), now, step)

    def _refuse(self, asks: Sequence[Ask], now: float, step: Step) -> None:
        step.refused += [Refusal(ask=ask, reason=Reason.LATE, retry_after=self._drained(now)) for ask in asks]
        self._queues.remove(asks)

    def _drained(self, now: float) -> float:
        """Seconds until all that waits now has been run, as far as the profile knows."""
        seconds = self._running.free(now) - now
        for bucket, queue in self._queues.buckets.items():
            rows = sum(ask.rows for ask in queue)
            whole, rest = divmod(rows, self.limits.max_batch)
            likely = self.profile.of(bucket).likely
            whole_s = whole * likely(self.limits.max_batch) + (likely(rest) if rest else 0.0)
            seconds += whole_s / self.limits.instances
        return seconds
