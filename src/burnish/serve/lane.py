"""One worker process and the batches it runs: starts it, hands batches over, hears of its death.

The event loop never waits here: a batch is copied into shared memory and a short message sent; the
answer comes as a callback. A second batch may be handed over while one runs, so that the worker goes on at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from burnish.core.errors import ArtifactError
from burnish.serve.protocol.messages import Array
from burnish.serve.shapes import Bucket, fill
from burnish.serve.worker.main import MESSAGE_BYTES, SLOTS
from burnish.serve.worker.slab import Slab, Window, lay_out

Parts = Mapping[str, Sequence[Array]]
"""Inputs by name: one array [rows, ...] of every request, no larger than the bucket's rows."""


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a batch: outputs over shared memory, valid until the callback returns; or what went wrong.

    `seconds` is the model's own time, `busy_s` that from the sent batch, or the answer heard before it, to its own.
    `ended` is when the worker was done, on the monotonic clock that all processes share: an event loop with much to do
    hears of it later. One that `died` before it had `begun` the batch is none of the batch's doing.
    """

    outputs: Mapping[str, Array]
    seconds: float = 0.0
    busy_s: float = 0.0
    error: str = ""
    died: bool = False
    begun: bool = True
    ended: float = field(default_factory=time.monotonic)


class _Due(NamedTuple):
    """An answer that is due: whom to tell, when it was asked for, and the slot that the batch lies in."""

    done: Callable[[Ran], None]
    sent: float
    slot: int


class Lane:
    """A worker process on `cores` (all without any). `run` takes a batch, and one more behind it."""

    def __init__(self, folder: Path, threads: int, cores: Sequence[int] = ()) -> None:
        self.folder = folder
        self.threads = threads
        self.cores = tuple(cores)
        self._socket: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._slabs: list[Slab] = []
        self._windows: list[Window] = []
        self._due: deque[_Due] = deque()
        self._next = 0
        self._heard_at = 0.0
        self.lost: Callable[[], None] = lambda: None
        """Called when the process dies while it has nothing to do."""

    @property
    def pid(self) -> int:
        """Process id of the worker, 0 when there is none."""
        return self._process.pid if self._process else 0

    @property
    def room(self) -> bool:
        """Whether `run` may be called."""
        return self._socket is not None and len(self._due) < SLOTS

    @property
    def busy(self) -> bool:
        """Whether an answer is due."""
        return bool(self._due)

    async def start(self, *, patience_s: float = 120.0) -> None:
        """Start the process and open the artifact in it. Raises `ArtifactError` when it does not come up."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        environment = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": str(self.threads)}
        command = [sys.executable, "-m", "burnish.serve.worker.main", str(theirs.fileno())]
        self._process = subprocess.Popen(command, pass_fds=[theirs.fileno()], env=environment, stdin=subprocess.DEVNULL)
        if self.cores:
            os.sched_setaffinity(self._process.pid, self.cores)
        theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self._slabs, self._windows = [Slab() for _ in range(SLOTS)], [Window() for _ in range(SLOTS)]
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[Ran] = loop.create_future()
        self._due.clear()
        self._due.append(_Due(lambda ran: None if opened.done() else opened.set_result(ran), time.monotonic(), 0))
        loop.add_reader(ours.fileno(), self._heard)
        self._send({"open": str(self.folder), "threads": self.threads}, None)
        try:
            ran = await asyncio.wait_for(opened, patience_s)
        except TimeoutError:
            ran = Ran({}, error=f"it did not open the artifact within {patience_s:.0f} s")
        if ran.error:
            self.stop()
            raise ArtifactError("a worker did not start", where=str(self.folder), why=ran.error)

    def run(self, bucket: Bucket, parts: Parts, done: Callable[[Ran], None]) -> None:
        """Run a batch of rows shaped as `bucket` says; `done` is called once, from the event loop.

        There must be `room`.
        """
        rows = sum(map(len, next(iter(parts.values()))))
        layout, size = lay_out([(name, parts[name][0].dtype, (rows, *shape)) for name, shape in bucket])
        self._next = (self._next + 1) % SLOTS
        slab = self._slabs[self._next]
        handed = slab.reserve(size)
        for name, place in slab.arrays(layout).items():
            fill(place, parts[name])
        self._due.append(_Due(done, time.monotonic(), self._next))
        self._send({"run": layout, "slot": self._next}, handed)

    def stop(self) -> None:
        """End the process: closing the socket lets it finish and go; it is killed if it stays."""
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
        for slab in self._slabs:
            slab.close()

    def _send(self, message: dict[str, Any], fd: int | None) -> None:
        assert self._socket is not None, "the worker is not running"
        try:
            socket.send_fds(self._socket, [json.dumps(message).encode()], [] if fd is None else [fd])
        except OSError:
            asyncio.get_running_loop().call_soon(self._dead)

    def _heard(self) -> None:
        assert self._socket is not None, "a reader without a socket"
        try:
            text, fds, _, _ = socket.recv_fds(self._socket, MESSAGE_BYTES, 1)
        except BlockingIOError:
            return
        except OSError:
            text, fds = b"", []
        if not text:
            self._dead()
            return
        window = self._windows[self._due[0].slot]
        for fd in fds:
            window.adopt(fd)
        answer = json.loads(text)
        if "error" in answer:
            self._tell(Ran({}, error=answer["error"]))
        elif "outputs" in answer:
            self._tell(Ran(window.arrays(answer["outputs"]), answer["seconds"], ended=answer["ended"]))
        else:
            self._tell(Ran({}))

    def _dead(self) -> None:
        if self._socket is None:
            return  # heard of twice: from reading and from writing
        code = self._process.poll() if self._process else None
        self.stop()
        if not self._due:
            self.lost()
        begun = True
        while self._due:
            self._tell(Ran({}, error=f"the worker process ended (exit code {code})", died=True, begun=begun))
            begun = False

    def _tell(self, ran: Ran) -> None:
        due = self._due.popleft()
        now = time.monotonic()
        began, self._heard_at = max(due.sent, self._heard_at), now
        due.done(replace(ran, busy_s=now - began))
