"""One model version at work: scheduler, worker processes and the requests that wait.

The only place where the scheduler meets a clock. Everything here runs on one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import cast

from burnish.artifact.load import read_manifest
from burnish.core.errors import ArtifactError, BurnishError
from burnish.serve.ask import Ask, Reason, Refusal
from burnish.serve.cores import Cores
from burnish.serve.lag import Lag
from burnish.serve.lane import Lane, Ran
from burnish.serve.memory import place, recall, remember
from burnish.serve.profile import Profile
from burnish.serve.protocol.messages import Array
from burnish.serve.rehearsal import rehearse
from burnish.serve.scheduler import Batch, Limits, Scheduler
from burnish.serve.shapes import Arrays, Bucket, Shapes
from burnish.serve.watch import Tally, Watch, Watches

_KEEP_S = 30.0
_PAUSE_S = 1.0
"""Between two tries to start a worker anew."""


class Refused(BurnishError):
    """The request was not run."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"refused: {refusal.reason.value}")
        self.refusal = refusal


class RunFailed(BurnishError):
    """The model raised an error on this request, or its worker died twice."""


class Stopped(BurnishError):
    """The model version ended before this request was run."""


@dataclass(slots=True)
class _Waiting:
    ask: Ask
    inputs: Arrays
    sizes: dict[str, int]
    answer: asyncio.Future[dict[str, Array]]
    probe: Callable[[], object] | None = None
    """Called when its task has the answer and is about to write it."""


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
        watch: Watch | None = None,
        cores: Cores | None = None,
    ) -> None:
        self.folder = folder
        self.manifest = read_manifest(folder)
        self.limits = limits
        self.target_s = target_s
        self.profile = Profile(limits.max_batch)
        self.scheduler = Scheduler(self.profile, limits)
        self.shapes = Shapes(self.manifest.signature)
        self.tally = Tally()
        self.watch = Watches([self.tally, *([watch] if watch else [])])
        self._threads = threads or self.manifest.threads
        self._lag = Lag()
        self._cores = cores or Cores(())
        self._idle: list[Lane] = []
        self._lanes: list[Lane] = []
        self._waiting: dict[int, _Waiting] = {}
        self._next = 0
        self._timer: asyncio.TimerHandle | None = None
        self._restarts: set[asyncio.Task[None]] = set()
        self._draining = False
        self._memory = place(self.manifest, self._threads)
        self._keeping: asyncio.Task[None] | None = None
        self.alone = ""

    async def start(self) -> None:
        """Start the workers and take the first times. Raises `ArtifactError`."""
        taken = [self._cores.take(self._threads) for _ in range(self.limits.instances)]
        self._lanes = [Lane(self.folder, self._threads, cores) for cores in taken]
        try:
            started = await asyncio.gather(*(lane.start() for lane in self._lanes), return_exceptions=True)
            for error in filter(None, started):
                raise error
            found = await rehearse(self._lanes[0], self.manifest, self.limits.max_batch)
        except BaseException:
            self._end()
            raise
        self.shapes, self.alone = found.shapes, found.alone
        self.scheduler.fits = found.shapes.fits
        self.scheduler.share = not found.alone
        recall(self._memory, self.profile)
        for bucket, rows, seconds in found.times:
            self.profile.observe(bucket, rows, seconds)
        for lane in self._lanes:
            lane.lost = partial(self._lost, lane)
        self._keeping = asyncio.get_running_loop().create_task(self._keep())
        self._idle = list(self._lanes)

    async def _keep(self) -> None:
        """Write down what was learned, every half minute."""
        while True:
            await asyncio.sleep(_KEEP_S)
            remember(self._memory, self.profile)

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
            self.watch.refused(refusal)
            raise Refused(refusal)
        waiting = _Waiting(ask, inputs, self.shapes.sizes(inputs), asyncio.get_running_loop().create_future())
        self._waiting[ask.id] = waiting
        self._turn()
        try:
            outputs = await waiting.answer
        except asyncio.CancelledError:
            if not _is_refused(waiting.answer):
                self._refuse(self.scheduler.cancel([ask.id]) or [Refusal(ask=ask, reason=Reason.CANCELLED)])
            raise
        except RunFailed:
            self.watch.answered(time.monotonic() - now, failed=True)
            raise
        else:
            self.watch.answered(time.monotonic() - now, failed=False)
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
        if self._timer is not None:
            self._timer.cancel()
        if self._keeping is not None:
            self._keeping.cancel()
            remember(self._memory, self.profile)
        for task in self._restarts:
            task.cancel()
        self._end()
        self._give_up()

    def _give_up(self) -> None:
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(Stopped("the model version was stopped"))

    def _end(self) -> None:
        for lane in self._lanes:
            lane.stop()
            self._cores.give_back(lane.cores)
        self._lanes = []

    @property
    def cores(self) -> list[tuple[int, ...]]:
        """Processor cores of every worker."""
        return [lane.cores for lane in self._lanes]

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [lane.pid for lane in self._lanes]

    def _turn(self) -> None:
        """Carry out what the scheduler says now, and come back when it wants to be asked again."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        now = time.monotonic()
        step = self.scheduler.step(now, idle=len(self._idle))
        self._refuse(step.refused)
        for batch in step.run:
            self._run(batch)
        if step.wake is not None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, step.wake - now), self._turn)

    def _run(self, batch: Batch) -> None:
        lane = self._idle.pop()
        members = [self._waiting[ask.id] for ask in batch.asks]
        parts = {name: [member.inputs[name] for member in members] for name in members[0].inputs}
        bucket = cast(Bucket, batch.bucket)
        places = batch.rows * sum(math.prod(shape) for _, shape in bucket)
        self.watch.filled(sum(array.size for arrays in parts.values() for array in arrays), places)
        lane.run(bucket, parts, partial(self._ran, lane, batch, members))

    def _ran(self, lane: Lane, batch: Batch, members: list[_Waiting], ran: Ran) -> None:
        now = time.monotonic()
        self.scheduler.finished(batch, now, learn=not ran.error)
        self.watch.ran(batch, now - batch.started, failed=bool(ran.error))
        self.watch.worked(self._lanes.index(lane), now - batch.started, ran.seconds)
        if not ran.error:
            self._scatter(members, ran.outputs)
        elif len(members) == 1 and not ran.died:
            _fail(members, ran)
        again = [member for member in members if not member.answer.done()]
        if ran.died:
            self._restart(lane, again)
        else:
            self._alone(lane, again)

    def _alone(self, lane: Lane, members: list[_Waiting]) -> None:
        """Run what a failed batch left, one by one, so that one request cannot spoil its neighbours; then go idle."""
        while members:
            member = members.pop(0)
            if member.answer.done():
                continue
            inputs = {name: [array] for name, array in member.inputs.items()}
            done = partial(self._ran_alone, lane, time.monotonic(), member, members)
            lane.run(self.shapes.bucket(member.inputs), inputs, done)
            return
        self._idle.append(lane)
        self._turn()

    def _ran_alone(self, lane: Lane, began: float, member: _Waiting, rest: list[_Waiting], ran: Ran) -> None:
        self.watch.worked(self._lanes.index(lane), time.monotonic() - began, ran.seconds)
        if ran.error:
            _fail([member], ran)
        else:
            self._scatter([member], ran.outputs)
        if ran.died:
            self._restart(lane, rest)
        else:
            self._alone(lane, rest)

    def _lost(self, lane: Lane) -> None:
        """An idle worker died."""
        self._idle.remove(lane)
        self._restart(lane, [])

    def _restart(self, lane: Lane, rest: list[_Waiting]) -> None:
        async def again() -> None:
            while self._waiting or not self._draining:
                with contextlib.suppress(ArtifactError):
                    await lane.start()
                    self._alone(lane, rest)
                    return
                if self._draining and not any(lane.pid for lane in self._lanes):
                    self._give_up()
                await asyncio.sleep(_PAUSE_S)

        self.watch.restarted()
        task = asyncio.get_running_loop().create_task(again())
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    def _scatter(self, members: list[_Waiting], outputs: Arrays) -> None:
        """Give everyone their rows, copied out of the shared memory; the most urgent answer is written first."""
        place = 0
        own: list[tuple[_Waiting, slice]] = []
        for member in members:
            own.append((member, slice(place, place + member.ask.rows)))
            place += member.ask.rows
        own = [(member, rows) for member, rows in own if not member.answer.done()]
        own.sort(key=lambda item: item[0].ask.deadline)
        if own:
            self._probe([member for member, _ in own])
        for member, rows in own:
            found = {name: array[rows] for name, array in outputs.items()}
            member.answer.set_result(self.shapes.cut(found, member.sizes))

    def _probe(self, members: list[_Waiting]) -> None:
        """Learn how long the first answer takes to the socket: until the second one's turn, else the next round's."""
        ready, loop = time.monotonic(), asyncio.get_running_loop()

        def written() -> None:
            self._lag.add(time.monotonic() - ready)

        members[min(1, len(members) - 1)].probe = written if len(members) > 1 else partial(loop.call_soon, written)

    def _refuse(self, refusals: list[Refusal]) -> None:
        for refusal in refusals:
            self.watch.refused(refusal)
            waiting = self._waiting.get(refusal.ask.id)
            if waiting is not None and not waiting.answer.done():
                waiting.answer.set_exception(Refused(refusal))


def _is_refused(answer: asyncio.Future[dict[str, Array]]) -> bool:
    """Whether the request was refused, and counted, in the moment in which its client went away."""
    return answer.done() and not answer.cancelled() and isinstance(answer.exception(), Refused)


def _fail(members: list[_Waiting], ran: Ran) -> None:
    for member in members:
        if not member.answer.done():
            member.answer.set_exception(RunFailed("the model failed on this request", why=ran.error))
