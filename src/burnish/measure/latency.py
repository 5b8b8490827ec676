"""Latency side by side: every candidate in a process of its own, all alive, turn by turn.

A machine's speed drifts: neighbours, clocks, heat. So candidates are not measured one after the
other but in rounds; in each round every candidate answers the same requests, and the order rotates.
Two candidates are compared by the ratio of their times within a round, whose spread says what the
drift did. Between two turns there is a pause, until threads that spin for work have gone to sleep,
and each turn starts with calls that are not timed.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
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


def compare(
    candidates: Sequence[Candidate],
    requests: Sequence[Request],
    *,
    served_label: str,
    rounds: int = 10,
    calls: int | None = None,
    warmup: int = 5,
    budget_s: float = 60.0,
    pause_s: float = 0.05,
    progress: Progress | None = None,
) -> list[LatencyProfile]:
    """Time all candidates on the same requests; one profile each, in the given order.

    A request is one call, a batch of inputs by name. Before the rounds each candidate answers
    every request once and then `warmup` more. `calls` fixes the timed calls of a turn; left out,
    a turn lasts about 0.15 to 0.5 s. `budget_s` bounds the rounds all together: turns become
    shorter, then rounds fewer (never below 3). Raises what a candidate raises on loading or calling.
    """
    if not candidates or not requests:
        raise BurnishError("nothing to measure", why="no candidates or no requests were given")
    progress = progress or Silent()
    with contextlib.ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        path = scratch / "requests.npz"
        write_requests(path, list(requests))
        workers = [
            stack.enter_context(WorkerProcess(item.label, item.threads, program=item.program)) for item in candidates
        ]
        with ThreadPoolExecutor(_OPENED_AT_ONCE) as pool:
            list(pool.map(lambda worker, item: _open(worker, item, path), workers, candidates))
        guesses = [_warm(worker, len(requests), warmup) for worker in workers]
        plan = plan_turns(
            guesses, num_requests=len(requests), rounds=rounds, calls=calls, budget_s=budget_s, pause_s=pause_s
        )
        others = OtherLoad()
        times, memory = _run_rounds(workers, plan, pause_s, served_label, progress)
        other_cores = round(others.cores(), 2)
    protocol = (
        f"{plan.rounds} interleaved rounds of {{calls}} calls over {len(requests)} requests, own process each, "
        f"rotating order, {pause_s * 1000:g} ms pause; value over all calls, low and high are quartiles over rounds"
    )
    machine = fingerprint().label
    return [
        profile_of(
            times[i],
            label=item.label,
            served=served_label,
            memory=memory[i],
            warmup=len(requests) + warmup,
            protocol=protocol,
            machine=machine,
        ).model_copy(update={"other_cores": other_cores})
        for i, item in enumerate(candidates)
    ]


def _open(worker: WorkerProcess, item: Candidate, requests: Path) -> None:
    """Load the program and let it answer once, for which some compile."""
    worker.ask("load", **item.how_to_load(), requests=requests)
    worker.ask("run", first=0, count=1, repeat=1, warmup=0)


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
