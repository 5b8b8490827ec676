"""Copies of requests that the stable version has answered, run on the candidate beside it.

They have an engine of their own, so that they never stand in a live request's queue, and begin only after the answer
was given and while no live request waits. There are never more than the engine's workers can run: what comes
meanwhile is dropped and counted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from burnish.serve.engine import Engine
from burnish.serve.pending import Refused, RunFailed, Stopped
from burnish.serve.shapes import Arrays

BUSY = "busy"


@dataclass(frozen=True, slots=True)
class Sample:
    """A request and what the stable version made of it; `outputs` None: it failed. `seconds` from arrival."""

    inputs: Arrays
    outputs: Arrays | None
    seconds: float


Heard = Callable[[Sample, Arrays | None, float], None]
"""Of a copy that was run: the request, the candidate's outputs (None: it failed), and its seconds."""


class Shadow:
    """The copies' engine. `live` are engines whose requests go before."""

    def __init__(self, engine: Engine, live: tuple[Engine, ...], heard: Heard, dropped: Callable[[str], None]) -> None:
        self.engine = engine
        self._live = live
        self._heard = heard
        self._dropped = dropped
        self._running: set[asyncio.Task[None]] = set()
        self._ended = False

    def offer(self, sample: Sample) -> None:
        """Run a copy if there is room now."""
        if self._ended:
            return
        waits = any(engine.scheduler.waiting for engine in self._live)
        if waits or len(self._running) >= self.engine.limits.instances:
            self._dropped(BUSY)
            return
        task = asyncio.get_running_loop().create_task(self._run(sample))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def stop(self) -> None:
        """End the copies and their workers; what is offered later is left."""
        self._ended = True
        for task in self._running:
            task.cancel()
        await self.engine.stop(patience_s=0.0)

    async def _run(self, sample: Sample) -> None:
        began = time.monotonic()
        try:
            outputs: Arrays | None = await self.engine.infer(sample.inputs)
        except Refused as error:
            self._dropped(error.refusal.reason.value)
            return
        except Stopped:
            self._dropped("stopped")
            return
        except RunFailed:
            outputs = None
        self._heard(sample, outputs, time.monotonic() - began)
