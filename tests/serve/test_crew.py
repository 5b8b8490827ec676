from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

import numpy as np

from burnish.serve.ask import Ask
from burnish.serve.cores import Cores
from burnish.serve.crew import Crew, Job
from burnish.serve.lane import Ran
from burnish.serve.observer import Observer
from burnish.serve.pending import Pending, RunFailed

BUCKET = (("x", (1,)),)


class FakeLane:
    """Holds two batches, and does what it is told to."""

    def __init__(self) -> None:
        self.due: deque = deque()
        self.runs: list[list[float]] = []
        self.alive = True
        self.cores = ()

    @property
    def room(self) -> bool:
        return self.alive and len(self.due) < 2

    @property
    def busy(self) -> bool:
        return bool(self.due)

    @property
    def pid(self) -> int:
        return int(self.alive)

    def run(self, bucket, parts, done) -> None:
        assert self.room
        self.runs.append([float(array[0, 0]) for array in parts["x"]])
        self.due.append(done)

    async def start(self) -> None:
        self.alive = True

    def end(self) -> None:
        self.due.popleft()(Ran({}))

    def die(self) -> None:
        self.alive, begun = False, True
        while self.due:
            self.due.popleft()(Ran({}, error="killed", died=True, begun=begun))
            begun = False


class FakeOwner:
    def give(self, members, ran) -> None:
        for member in members:
            member.answer.set_result({})

    def bucket(self, member):
        return BUCKET

    def freed(self) -> None: ...

    def needed(self) -> bool:
        return True

    def stranded(self) -> None: ...


def pending(number: int) -> Pending:
    ask = Ask(id=number, bucket=BUCKET, arrived=0.0, deadline=1.0)
    value = np.full((1, 1), number, np.float32)
    return Pending(ask, {"x": value}, {}, asyncio.get_running_loop().create_future())


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def test_one_that_kills_its_worker_spoils_neither_its_neighbours_nor_what_lies_behind_it():
    async def body() -> None:
        lane, told = FakeLane(), []
        crew = Crew(Path(), 1, Cores(()), FakeOwner(), Observer())
        crew.lanes = [lane]
        crew.open()
        members = [pending(number) for number in range(5)]
        crew.run(0, Job(BUCKET, members[:3], lambda ran: told.append((0, ran.died))))
        crew.run(1, Job(BUCKET, members[3:], lambda ran: told.append((1, ran.died))), behind=0)
        lane.die()
        assert told == [(0, True)]
        await settled()
        assert lane.runs[2:] == [[3.0, 4.0], [0.0]]  # the one behind as it was, then the others alone
        lane.end()
        lane.end()
        await settled()
        assert lane.runs[4:] == [[1.0], [2.0]]
        lane.die()  # 1 did it
        await settled()
        assert lane.runs[6:] == [[2.0]]
        lane.end()
        await settled()
        found = [member.answer.exception() for member in members]
        assert [isinstance(error, RunFailed) for error in found] == [False, True, False, False, False]
        assert told == [(0, True), (1, False)]
        assert crew.idle == 1

    asyncio.run(body())
