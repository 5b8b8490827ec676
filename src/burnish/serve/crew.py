"""The workers of one model version: who is idle, what runs where, and what becomes of a batch that fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

from burnish.core.errors import ArtifactError
from burnish.serve.cores import Cores
from burnish.serve.lane import Lane, Ran
from burnish.serve.observer import Observer
from burnish.serve.pending import Pending, RunFailed
from burnish.serve.shapes import Bucket

_PAUSE_S = 1.0
"""Between two tries to start a worker anew."""


class Owner(Protocol):
    """Whom the workers work for."""

    def give(self, members: Sequence[Pending], ran: Ran) -> None:
        """A batch was run. Its outputs are valid until this returns."""

    def bucket(self, member: Pending) -> Bucket:
        """The shape that a request has when it is run alone."""

    def freed(self) -> None:
        """A worker is idle."""

    def needed(self) -> bool:
        """Whether a worker that died is to be started anew."""

    def stranded(self) -> None:
        """No worker lives, and one could not be started."""


@dataclass(frozen=True, slots=True)
class Job:
    """Requests to run together; `told` hears what came of it. One run `alone` is left of a batch that failed."""

    bucket: Bucket
    members: Sequence[Pending]
    told: Callable[[Ran], None] = lambda _ran: None
    alone: bool = False


class Crew:
    """`instances` worker processes, each on its cores. `start` before the first `run`, `stop` in the end."""

    def __init__(self, folder: Path, threads: int, cores: Cores, owner: Owner, observer: Observer) -> None:
        self._folder = folder
        self._threads = threads
        self._cores = cores
        self._owner = owner
        self._observer = observer
        self._idle: list[Lane] = []
        self._at: dict[int, Lane] = {}
        self._jobs: dict[Lane, deque[Job]] = {}
        self._restarts: set[asyncio.Task[None]] = set()
        self.lanes: list[Lane] = []

    async def start(self, instances: int) -> None:
        """Start the processes. Raises `ArtifactError`; `stop` is to be called then too."""
        taken = [self._cores.take(self._threads) for _ in range(instances)]
        self.lanes = [Lane(self._folder, self._threads, cores) for cores in taken]
        started = await asyncio.gather(*(lane.start() for lane in self.lanes), return_exceptions=True)
        for error in filter(None, started):
            raise error

    def open(self) -> None:
        """From now on, batches are run and those that die idle are started anew."""
        for lane in self.lanes:
            lane.lost = partial(self._lost, lane)
            self._jobs[lane] = deque()
        self._idle = list(self.lanes)

    def stop(self) -> None:
        """End all processes."""
        for task in self._restarts:
            task.cancel()
        for lane in self.lanes:
            lane.stop()
            self._cores.give_back(lane.cores)
        self.lanes, self._idle = [], []

    @property
    def idle(self) -> int:
        """Workers that have nothing to do."""
        return len(self._idle)

    def run(self, number: int, job: Job, behind: int | None = None) -> None:
        """Run this batch on an idle worker, or where the batch `behind` which it comes is."""
        lane = self._idle.pop() if behind is None else self._at[behind]
        self._at[number] = lane

        def told(ran: Ran) -> None:
            del self._at[number]
            job.told(ran)

        self._jobs[lane].append(replace(job, told=told))
        self._go_on(lane)

    def _go_on(self, lane: Lane) -> None:
        """Hand over what the worker has room for."""
        jobs = self._jobs[lane]
        while jobs and lane.room:
            job = jobs.popleft()
            if job.alone and job.members[0].over:
                continue
            first = job.members[0].inputs
            parts = {name: [member.inputs[name] for member in job.members] for name in first}
            lane.run(job.bucket, parts, partial(self._ran, lane, job))

    def _ran(self, lane: Lane, job: Job, ran: Ran) -> None:
        if not ran.begun:
            self._jobs[lane].appendleft(job)
            self._after(lane, ran)
            return
        if not ran.error:
            self._owner.give(job.members, ran)
        elif job.alone or (len(job.members) == 1 and not ran.died):
            _fail(job.members[0], ran)
        if lane.busy and not ran.error:  # it goes on by itself, so the answers come first
            asyncio.get_running_loop().call_soon(self._count, lane, job, ran)
        else:
            self._count(lane, job, ran)

    def _count(self, lane: Lane, job: Job, ran: Ran) -> None:
        """Tell whoever counts, and go on with what is left, unless all was stopped meanwhile."""
        if lane not in self.lanes:
            return
        job.told(ran)
        self._observer.worked(self.lanes.index(lane), ran.busy_s, ran.seconds)
        # What a failed batch left is run one by one, so that one request cannot spoil its neighbours.
        left = [member for member in job.members if not member.over]
        self._jobs[lane].extendleft(Job(self._owner.bucket(one), [one], alone=True) for one in reversed(left))
        self._after(lane, ran)

    def _after(self, lane: Lane, ran: Ran) -> None:
        if ran.died and not lane.busy:
            self._restart(lane)
        else:
            self._rest(lane)

    def _rest(self, lane: Lane) -> None:
        """It has less to do than before, or nothing."""
        self._go_on(lane)
        if not lane.busy and not self._jobs[lane]:
            self._idle.append(lane)
        self._owner.freed()

    def _lost(self, lane: Lane) -> None:
        """An idle worker died."""
        self._idle.remove(lane)
        self._restart(lane)

    def _restart(self, lane: Lane) -> None:
        async def again() -> None:
            while self._owner.needed():
                with contextlib.suppress(ArtifactError):
                    await lane.start()
                    self._rest(lane)
                    return
                if not any(lane.pid for lane in self.lanes):
                    self._owner.stranded()
                await asyncio.sleep(_PAUSE_S)

        self._observer.restarted()
        task = asyncio.get_running_loop().create_task(again())
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)


def _fail(member: Pending, ran: Ran) -> None:
    member.fail(RunFailed("the model failed on this request", why=ran.error))
