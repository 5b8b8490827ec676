"""Predictions by executables that run in a process beside this one.

A runtime that crashes takes its process with it. Here that costs the one candidate, with the reason, and
not the run.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from burnish.core.errors import BurnishError
from burnish.measure.latency import Candidate, Request
from burnish.measure.quality import Run
from burnish.measure.worker import read_requests, write_requests
from burnish.measure.worker_process import WorkerProcess


class Predictor:
    """One process for one candidate after the other; a new one when it has died.

    Use as a context manager. `folder` is where requests and answers are exchanged.
    """

    def __init__(self, threads: int, folder: Path) -> None:
        self._threads = threads
        self._inputs, self._outputs = folder / "inputs.npz", folder / "outputs.npz"
        self._worker: WorkerProcess | None = None

    def __enter__(self) -> Predictor:
        return self

    def __exit__(self, *error: object) -> None:
        self._end()
        self._inputs.unlink(missing_ok=True)
        self._outputs.unlink(missing_ok=True)

    @contextlib.contextmanager
    def opened(self, candidate: Candidate) -> Iterator[Run]:
        """The candidate as a function of inputs by name. Raises `BurnishError`, also when it crashes."""
        if self._worker is None:
            self._worker = WorkerProcess(candidate.label, self._threads)
        worker = self._worker
        worker.label = candidate.label
        try:
            worker.ask("load", **candidate.how_to_load())
            yield self._answer
            worker.ask("unload")
        finally:
            if not worker.alive:
                self._end()

    def _answer(self, inputs: Request) -> Request:
        write_requests(self._inputs, [inputs])
        if self._worker is None:
            raise BurnishError("this candidate is closed")
        self._worker.ask("predict", inputs=self._inputs, outputs=self._outputs)
        return read_requests(self._outputs)[0]

    def _end(self) -> None:
        if self._worker is not None:
            self._worker.__exit__()
        self._worker = None
