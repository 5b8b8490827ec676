"""One model version at work: scheduler, worker processes and the requests that wait.

The only place where the scheduler meets a clock. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import cast

from burnish.artifact.load import read_manifest
from burnish.serve.alarm import Alarm
from burnish.serve.ask import Ask, Reason, Refusal
from burnish.serve.batch import Batch, Limits
from burnish.serve.cores import Cores
from burnish.serve.crew import Crew, Job
from burnish.serve.lag import Lag
from burnish.serve.lane import Ran
from burnish.serve.memory import Memory, place, recall
from burnish.serve.observer import Broadcast, Observer
from burnish.serve.pending import Pending, Refused, RunFailed, Stopped, scatter
from burnish.serve.profile import Profile
from burnish.serve.protocol.messages import Array
from burnish.serve.rehearsal import rehearse
from burnish.serve.scheduler import Scheduler
from burnish.serve.shapes import Arrays, Bucket, Shapes
from burnish.serve.statistics import Statistics

AHEAD_S = 1e-3
"""So long before a batch is likely to end the next one is handed over: a worker that is given it afterwards waits for
0.8 ms, and choosing and handing over takes 0.4 ms (LOG.md, 2026-11-27)."""


class Engine:
    """Runs requests for one artifact. `start` before the first `infer`, `stop` in the end.

    `alone` says after the start why requests do not share batches; "" when they do.
    """

    def __init__(
        self,
        folder: Path,
        limits: Limits,
        *,
        target_s: float,
        threads: int | None = None,
        observer: Observer | None = None,
        cores: Cores | None = None,
    ) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.limits = limits
        self.target_s = target_s
        self.profile = Profile(limits.max_batch)
        self.scheduler = Scheduler(self.profile, limits, ahead_s=AHEAD_S)
        self.shapes = Shapes(self.manifest.signature)
        self.statistics = Statistics()
        self.observer = Broadcast([self.statistics, *([observer] if observer else [])])
        self._lag = Lag()
        threads = threads or self.manifest.threads
        self._crew = Crew(folder, threads, cores or Cores(()), owner=self, observer=self.observer)
        self._waiting: dict[int, Pending] = {}
        self._next = 0
        self._alarm: Alarm | None = None
        self._soon: asyncio.Handle | None = None
        self._draining = False
        self._place = place(self.manifest, threads)
        self._memory = Memory(self._place, self.profile)
        self.alone = ""

    async def start(self) -> None:
        """Start the workers and take the first times. Raises `ArtifactError`."""
        try:
            self._alarm = Alarm(self._turn)
            await self._crew.start(self.limits.instances)
            found = await rehearse(self._crew.lanes[0], self.manifest, self.limits.max_batch)
        except BaseException:
            self._end()
            raise
        self.shapes, self.alone = found.shapes, found.alone
        self.scheduler.fits = found.shapes.fits
        self.scheduler.share = not found.alone
        recall(self._place, self.profile)
        for bucket, rows, seconds in found.times:
            self.profile.observe(bucket, rows, seconds)
        self._memory.start()
        self._crew.open()

    async def infer(self, inputs: Arrays, *, timeout_s: float = 0.0, level: int = 0) -> dict[str, Array]:
        """Outputs for one request. Raises `Refused`, `RunFailed`, `Stopped`.

        `inputs` must fit the signature already; their first dimension is the rows.
        """
        now = time.monotonic()
        first = next(iter(inputs.values()))
        limit_s = timeout_s or self.target_s
        ask = Ask(
            id=self._next,
            bucket=self.shapes.bucket(inputs),
            rows=len(first),
            arrived=now,
            deadline=now + limit_s - self._lag.reserve(limit_s),
            level=level,
        )
        self._next += 1
        refusal = self.scheduler.arrive(ask, now)
        if refusal is not None:
            self.observer.refused(refusal)
            raise Refused(refusal)
        waiting = Pending(ask, inputs, self.shapes.sizes(inputs), asyncio.get_running_loop().create_future())
        self._waiting[ask.id] = waiting
        self._turn_soon()
        try:
            outputs = await waiting.answer
        except asyncio.CancelledError:
            if not waiting.refused:
                self._refuse(self.scheduler.cancel([ask.id]) or [Refusal(ask=ask, reason=Reason.CANCELLED)])
            raise
        except RunFailed:
            self.observer.answered(time.monotonic() - now, failed=True)
            raise
        else:
            self.observer.answered(time.monotonic() - now, failed=False)
            if waiting.probe is not None:
                waiting.probe()
            return outputs
        finally:
            self._waiting.pop(ask.id, None)

    async def stop(self, *, patience_s: float = 30.0) -> None:
        """Answer what waits, for at most `patience_s`, then end the workers."""
        self._draining = True
        until = time.monotonic() + patience_s
        while self._waiting and time.monotonic() < until:
            await asyncio.sleep(0.005)
        self._memory.stop()
        self._end()
        self._give_up()

    def _end(self) -> None:
        if self._alarm is not None:
            self._alarm.close()
            self._alarm = None
        self._crew.stop()

    def give(self, members: Sequence[Pending], ran: Ran) -> None:
        """See `Owner.give`."""

        def written() -> None:
            self._lag.add(time.monotonic() - ran.ended)

        scatter(members, ran.outputs, self.shapes, written)

    def bucket(self, member: Pending) -> Bucket:
        """See `Owner.bucket`."""
        return self.shapes.bucket(member.inputs)

    def freed(self) -> None:
        """See `Owner.freed`."""
        self._turn()

    def needed(self) -> bool:
        """See `Owner.needed`."""
        return bool(self._waiting) or not self._draining

    def stranded(self) -> None:
        """See `Owner.stranded`."""
        if self._draining:
            self._give_up()

    def _give_up(self) -> None:
        for waiting in self._waiting.values():
            waiting.fail(Stopped("the model version was stopped"))

    @property
    def cores(self) -> list[tuple[int, ...]]:
        """Processor cores of every worker."""
        return [lane.cores for lane in self._crew.lanes]

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [lane.pid for lane in self._crew.lanes]

    def _turn_soon(self) -> None:
        """Once for all who arrive in one round of the event loop: they share a batch, and are planned for together."""
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_soon(self._turn)

    def _turn(self) -> None:
        """Carry out what the scheduler says now, and come back when it wants to be asked again."""
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None
        now = time.monotonic()
        step = self.scheduler.step(now, idle=self._crew.idle)
        self._refuse(step.refused)
        for batch in step.run:
            self._run(batch)
        if self._alarm is not None:
            self._alarm.set(step.wake)

    def _run(self, batch: Batch) -> None:
        members = [self._waiting[ask.id] for ask in batch.asks]
        bucket = cast(Bucket, batch.bucket)
        places = batch.rows * sum(math.prod(shape) for _, shape in bucket)
        self.observer.filled(sum(array.size for member in members for array in member.inputs.values()), places)
        self._crew.run(batch.id, Job(bucket, members, partial(self._ran, batch)), batch.behind)

    def _ran(self, batch: Batch, ran: Ran) -> None:
        begun = self.scheduler.finished(batch, ran.ended, learn=not ran.error)
        self.observer.ran(begun, ran.busy_s, failed=bool(ran.error))

    def _refuse(self, refusals: list[Refusal]) -> None:
        for refusal in refusals:
            self.observer.refused(refusal)
            waiting = self._waiting.get(refusal.ask.id)
            if waiting is not None:
                waiting.fail(Refused(refusal))
