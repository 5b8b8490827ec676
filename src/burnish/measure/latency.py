"""Latency side by side: every candidate in a process of its own, all alive, turn by turn.

A machine's speed drifts: neighbours, clocks, heat. So candidates are not measured one after the
other but in rounds; in each round every candidate answers the same requests, and the order rotates.
Two candidates are compared by the ratio of their times within a round, whose spread says what the
drift did. Between two turns there is a pause, until threads that spin for work have gone to sleep,
and each turn starts with calls that are not timed. A candidate is opened once for all shapes, as a
service opens it.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BurnishError
from burnish.core.machine import OtherLoad, fingerprint
from burnish.core.measurement import LatencyProfile
from burnish.core.progress import Progress, Silent
from burnish.core.signature import Signature
from burnish.measure.plan import Plan, plan_turns
from burnish.measure.profiles import profile_of
from burnish.measure.worker import write_requests
from burnish.measure.worker_process import PROGRAM, WorkerProcess

Request = dict[str, NDArray[np.generic]]

_REWARM = 2
_PROBES = 8
_OPENED_AT_ONCE = 2


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A built folder to be timed, and how to load it.

    `program` is what the candidate's process runs, when `burnish.measure.worker` cannot load it.
    """

    label: str
    backend: str
    folder: Path
    signature: Signature
    options: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    program: tuple[str, ...] = PROGRAM

    def how_to_load(self) -> dict[str, Any]:
        """What a worker needs to be told."""
        return {
            "backend": self.backend,
            "folder": self.folder,
            "options": dict(self.options),
            "signature": self.signature.to_json(),
            "threads": self.threads,
        }


@dataclass(frozen=True, kw_only=True)
class _Pace:
    """How one shape is measured; `budget_s` bounds its rounds."""

    rounds: int
    calls: int | None
    warmup: int
    budget_s: float
    pause_s: float


def compare(
    candidates: Sequence[Candidate],
    shapes: Mapping[str, Sequence[Request]],
    *,
    rounds: int = 10,
    calls: int | None = None,
    warmup: int = 5,
    budget_s: float = 60.0,
    pause_s: float = 0.05,
    progress: Progress | None = None,
) -> dict[str, list[LatencyProfile]]:
    """Time all candidates on the requests of every shape: its label -> one profile each, in the given order.

    A request is one call, a batch of inputs by name. Before the rounds of a shape each candidate answers every
    request once and then `warmup` more. `calls` fixes the timed calls of a turn; left out, a turn lasts about
    0.15 to 0.5 s. `budget_s` bounds all rounds, an equal share for each shape: turns become shorter, then rounds
    fewer (never below 3). The shape with the fewest bytes goes first: its peak memory would else hold what a larger
    one left behind. Raises what a candidate raises on loading or calling.
    """
    if not candidates or not shapes or not all(shapes.values()):
        raise BurnishError("nothing to measure", why="no candidates or no requests were given")
    progress = progress or Silent()
    pace = _Pace(rounds=rounds, calls=calls, warmup=warmup, budget_s=budget_s / len(shapes), pause_s=pause_s)
    found: dict[str, list[LatencyProfile]] = {}
    with contextlib.ExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "requests.npz"
        workers = [
            stack.enter_context(WorkerProcess(item.label, item.threads, program=item.program)) for item in candidates
        ]
        pool = stack.enter_context(ThreadPoolExecutor(_OPENED_AT_ONCE))
        list(pool.map(lambda worker, item: worker.ask("load", **item.how_to_load()), workers, candidates))
        for label in sorted(shapes, key=lambda label: _bytes(shapes[label])):
            write_requests(path, list(shapes[label]))
            list(pool.map(partial(_begin, path), workers))
            found[label] = _measure(workers, label, len(shapes[label]), pace, progress)
    return {label: found[label] for label in shapes}


def _bytes(requests: Sequence[Request]) -> int:
    return max(sum(array.nbytes for array in request.values()) for request in requests)


def _begin(requests: Path, worker: WorkerProcess) -> None:
    """Hand over the requests of a shape, and let it answer once, for which some compile."""
    worker.ask("take", requests=requests)
    worker.ask("run", first=0, count=1, repeat=1, warmup=0)


def _measure(
    workers: Sequence[WorkerProcess], served: str, num_requests: int, pace: _Pace, progress: Progress
) -> list[LatencyProfile]:
    """The profiles at the shape whose requests all workers have."""
    guesses = [_warm(worker, num_requests, pace.warmup) for worker in workers]
    plan = plan_turns(
        guesses,
        num_requests=num_requests,
        rounds=pace.rounds,
        calls=pace.calls,
        budget_s=pace.budget_s,
        pause_s=pace.pause_s,
    )
    others = OtherLoad()
    times, memory = _run_rounds(workers, plan, pace.pause_s, served, progress)
    other_cores = round(others.cores(), 2)
    protocol = (
        f"{plan.rounds} interleaved rounds of {{calls}} calls over {num_requests} requests, own process each, "
        f"rotating order, {pace.pause_s * 1000:g} ms pause; value over all calls, "
        "low and high are quartiles over rounds"
    )
    machine = fingerprint().label
    return [
        profile_of(
            times[i],
            label=worker.label,
            served=served,
            memory=memory[i],
            warmup=num_requests + pace.warmup,
            protocol=protocol,
            machine=machine,
        ).model_copy(update={"other_cores": other_cores})
        for i, worker in enumerate(workers)
    ]


def _warm(worker: WorkerProcess, num_requests: int, warmup: int) -> float:
    """Answer every request once, then time a few: the median in ms."""
    probes = min(num_requests, _PROBES)
    worker.ask("run", first=0, count=num_requests, repeat=1, warmup=0)
    found = worker.ask("run", first=0, count=probes, repeat=1, warmup=warmup)
    return max(1e-3, float(np.median(found["ms"])))


def _run_rounds(
    workers: Sequence[WorkerProcess], plan: Plan, pause_s: float, label: str, progress: Progress
) -> tuple[list[list[list[float]]], list[int]]:
    """Per candidate: the times of every round, and the peak memory."""
    times: list[list[list[float]]] = [[] for _ in workers]
    memory = [0 for _ in workers]
    with progress.task(f"measuring {label}", total=plan.rounds * len(workers)) as task:
        for number in range(plan.rounds):
            for place in range(len(workers)):
                index = (number + place) % len(workers)
                time.sleep(pause_s)
                found = workers[index].ask(
                    "run", first=number * plan.window, count=plan.window, repeat=plan.repeats[index], warmup=_REWARM
                )
                times[index].append(found["ms"])
                memory[index] = max(memory[index], found["peak_memory_bytes"])
                task.advance(note=workers[index].label)
    return times, memory
