"""A process that runs one executable and tells how long its calls took.

Started as `python -m burnish.measure.worker`. It reads one JSON object a line and answers each
with one line:

    {"load": {"backend", "folder", "options", "signature", "threads"}} -> {"ok": {}}
    {"take": {"requests"}} -> {"ok": {}}
    {"run": {"first": 0, "count": 64, "repeat": 2, "warmup": 3}}
        -> {"ok": {"ms": [...], "peak_memory_bytes": ...}}
    {"predict": {"inputs", "outputs"}} -> {"ok": {}}
    {"unload": {}} -> {"ok": {}}
    {"close": {}} -> {"ok": {}}, then the process ends

`requests` is an .npz file whose arrays are named `<number>/<input>`. The peak memory is that of opening the executable,
or since requests were taken, where the system can count anew: the larger one. A run times `count` requests
from `first` on, round and round, `repeat` times; `warmup` calls before that are not timed. `predict`
answers the one request in the file `inputs` into the file `outputs`. An
error is answered as `{"error": {"kind", "what", "where", "why", "help"}}`. What libraries print
goes to stderr, so that the answers stay clean.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from burnish.backends.backend import Backend, Executable
from burnish.backends.bundle import check_inputs
from burnish.core.doors import BACKENDS
from burnish.core.errors import BurnishError
from burnish.core.signature import Signature

Request = dict[str, NDArray[np.generic]]

_FAILURES = (RuntimeError, ValueError, TypeError, LookupError, OSError, MemoryError, ArithmeticError, AttributeError)


class Worker:
    """Holds one executable and its requests between messages."""

    def __init__(self) -> None:
        self._executable: Executable | None = None
        self._signature: Signature | None = None
        self._opening = 0
        self._requests: list[Request] = []

    def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """The reply to one message, errors included."""
        try:
            return {"ok": self._do(message)}
        except BurnishError as error:
            told = {"what": error.what, "where": error.where, "why": error.why, "help": error.help}
            return {"error": {"kind": type(error).__name__, **told}}
        except _FAILURES as error:
            what = f"{type(error).__name__}: {error}"
            return {"error": {"kind": "BurnishError", "what": what, "where": "", "why": "", "help": ""}}

    def _do(self, message: dict[str, Any]) -> dict[str, Any]:
        match message:
            case {"load": body}:
                return self.load(**body)
            case {"take": body}:
                return self.take(**body)
            case {"run": body}:
                return self.run(**body)
            case {"predict": body}:
                return self.predict(**body)
            case {"close": _} | {"unload": _}:
                return self.close()
        raise BurnishError("unknown message", where=", ".join(message))

    def load(self, backend: str, folder: str, options: dict[str, Any], signature: str, threads: int) -> dict[str, Any]:
        """Open the executable."""
        parsed = Signature.from_json(signature)
        self._executable, self._signature = self.open(backend, Path(folder), options, parsed, threads), parsed
        self._opening = peak_memory_bytes()
        return {}

    def take(self, requests: str) -> dict[str, Any]:
        """Read the requests of the next runs, which must fit the signature."""
        if self._signature is None:
            raise BurnishError("nothing is loaded")
        self._requests = read_requests(Path(requests))
        for request in self._requests:
            check_inputs(request, self._signature)
        forget_peak_memory()
        return {}

    def open(
        self, backend: str, folder: Path, options: dict[str, Any], signature: Signature, threads: int
    ) -> Executable:
        """The executable in a folder; a worker for models that no backend built overrides this."""
        part: Backend = BACKENDS.get(backend)
        return part.load(folder, options, signature=signature, threads=threads)

    def run(self, first: int, count: int, repeat: int, warmup: int) -> dict[str, Any]:
        """Time `count * repeat` calls; `ms` has one number per call, in order."""
        executable = self._loaded()
        window = [self._requests[(first + i) % len(self._requests)] for i in range(count)]
        for index in range(warmup):
            executable(window[index % count])
        times: list[float] = []
        for _ in range(repeat):
            for request in window:
                start = time.perf_counter_ns()
                executable(request)
                times.append((time.perf_counter_ns() - start) / 1e6)
        return {"ms": times, "peak_memory_bytes": max(self._opening, peak_memory_bytes())}

    def predict(self, inputs: str, outputs: str) -> dict[str, Any]:
        """Answer one request from file to file."""
        write_requests(Path(outputs), [self._loaded()(read_requests(Path(inputs))[0])])
        return {}

    def _loaded(self) -> Executable:
        if self._executable is None:
            raise BurnishError("nothing is loaded")
        return self._executable

    def close(self) -> dict[str, Any]:
        """Release the executable."""
        if self._executable is not None:
            self._executable.close()
        self._executable = None
        return {}


def write_requests(path: Path, requests: list[Request]) -> None:
    """Store requests where a worker can read them."""
    arrays: dict[str, Any] = {
        f"{number}/{name}": array for number, request in enumerate(requests) for name, array in request.items()
    }
    np.savez(path, allow_pickle=False, **arrays)


def read_requests(path: Path) -> list[Request]:
    """The inverse of `write_requests`; never unpickles."""
    found: dict[int, Request] = {}
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            number, _, name = key.partition("/")
            found.setdefault(int(number), {})[name] = arrays[key]
    return [found[number] for number in sorted(found)]


def peak_memory_bytes() -> int:
    """The most resident memory that this process has had, in bytes, since it was forgotten.

    Linux's own high-water mark is read where it is: `getrusage` would also count the parent's
    pages from before this program was started.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    scale = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale


def forget_peak_memory() -> None:
    """Count the peak from what is resident now on. Linux only (proc(5), clear_refs); elsewhere it stays."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def serve(worker: Worker) -> None:
    """Answer on the real stdout; what anything prints after this goes to stderr."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    main(sys.stdin, answers, worker)


def main(source: TextIO, target: TextIO, worker: Worker | None = None) -> None:
    """Answer every line of `source` on `target` until it ends or says close."""
    worker = worker or Worker()
    for line in source:
        message = json.loads(line)
        target.write(json.dumps(worker.answer(message)) + "\n")
        target.flush()
        if "close" in message:
            return


if __name__ == "__main__":
    serve(Worker())
