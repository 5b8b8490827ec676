"""The workers of one model version: who is idle, what runs where, and what becomes of a batch that fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
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


class Crew:
    """`instances` worker processes, each on its cores. `start` before the first `run`, `stop` in the end."""

    def __init__(self, folder: Path, threads: int, cores: Cores, owner: Owner, observer: Observer) -> None:
        self._folder = folder
        self._threads = threads
        self._cores = cores
        self._owner = owner
        self._observer = observer
        self._idle: list[Lane] = []
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
        self._idle = list(self.lanes)

    def stop(self) -> None:
        """End all processes."""
        for task in self._restarts:
            task.cancel()
        for lane in self.lanes:
            lane.stop()
            self._cores.give_back(lane.cores)
        self.lanes = []

    @property
    def idle(self) -> int:
        """Workers that have nothing to do."""
        return len(self._idle)

    def run(self, bucket: Bucket, members: list[Pending], told: Callable[[Ran], None]) -> None:
        """Run these together on an idle worker. `told` hears of the batch before its members do."""
        lane = self._idle.pop()
        parts = {name: [member.inputs[name] for member in members] for name in members[0].inputs}
        lane.run(bucket, parts, partial(self._ran, lane, members, told))

    def _ran(self, lane: Lane, members: list[Pending], told: Callable[[Ran], None], ran: Ran) -> None:
        told(ran)
        self._observer.worked(self.lanes.index(lane), ran.busy_s, ran.seconds)
        if not ran.error:
            self._owner.give(members, ran)
        elif len(members) == 1 and not ran.died:
            _fail(members[0], ran)
        self._go_on(lane, [member for member in members if not member.over], ran)

    def _go_on(self, lane: Lane, rest: list[Pending], ran: Ran) -> None:
        if ran.died:
            self._restart(lane, rest)
        else:
            self._alone(lane, rest)

    def _alone(self, lane: Lane, members: list[Pending]) -> None:
        """Run what a failed batch left, one by one, so that one request cannot spoil its neighbours; then go idle."""
        while members:
            member = members.pop(0)
            if member.over:
                continue
            parts = {name: [array] for name, array in member.inputs.items()}
            lane.run(self._owner.bucket(member), parts, partial(self._ran_alone, lane, member, members))
            return
        self._idle.append(lane)
        self._owner.freed()

    def _ran_alone(self, lane: Lane, member: Pending, rest: list[Pending], ran: Ran) -> None:
        self._observer.worked(self.lanes.index(lane), ran.busy_s, ran.seconds)
        if ran.error:
            _fail(member, ran)
        else:
            self._owner.give([member], ran)
        self._go_on(lane, rest, ran)

    def _lost(self, lane: Lane) -> None:
        """An idle worker died."""
        self._idle.remove(lane)
        self._restart(lane, [])

    def _restart(self, lane: Lane, rest: list[Pending]) -> None:
        async def again() -> None:
            while self._owner.needed():
                with contextlib.suppress(ArtifactError):
                    await lane.start()
                    self._alone(lane, rest)
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
