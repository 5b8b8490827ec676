"""The parent's side of `burnish.measure.worker`: start it, ask it, end it."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from burnish.core import errors
from burnish.core.errors import BurnishError

PROGRAM = ("-m", "burnish.measure.worker")
"""What Python is told to run; another program must speak the same lines."""

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class WorkerProcess:
    """One worker. Use as a context manager: leaving the block ends the process.

    `threads` is put into the environment before the process starts, for libraries that read it
    once. `timeout_s` bounds the wait for one answer. `program` is what Python runs.
    """

    def __init__(self, label: str, threads: int, *, timeout_s: float = 600.0, program: Sequence[str] = PROGRAM) -> None:
        self.label = label
        self._timeout_s = timeout_s
        self._log = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - closed in __exit__
        environment = os.environ | dict.fromkeys(_THREAD_VARIABLES, str(threads))
        self._process = subprocess.Popen(
            [sys.executable, *program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=environment,
        )

    def __enter__(self) -> WorkerProcess:
        return self

    def __exit__(self, *error: object) -> None:
        with contextlib.suppress(BrokenPipeError):
            _open(self._process.stdin).close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _open(self._process.stdout).close()
        self._log.close()

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def ask(self, verb: str, **body: Any) -> dict[str, Any]:
        """One message and its answer.

        Raises the error that the worker answers with, and `BurnishError` when it dies or is silent
        for longer than the timeout.
        """
        text = json.dumps({verb: body}, default=_plain) + "\n"
        stdin, stdout = _open(self._process.stdin), _open(self._process.stdout)
        try:
            stdin.write(text)
            stdin.flush()
        except BrokenPipeError:
            raise self._death() from None
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            if not selector.select(self._timeout_s):
                self._process.kill()
                raise BurnishError(f"no answer within {self._timeout_s:g} s", where=self.label)
        line = stdout.readline()
        if not line:
            raise self._death()
        answer: dict[str, Any] = json.loads(line)
        if "error" in answer:
            raise self._error(answer["error"])
        result: dict[str, Any] = answer["ok"]
        return result

    def _death(self) -> BurnishError:
        code = self._process.wait()
        self._log.seek(0)
        last = self._log.read()[-500:].strip()
        return BurnishError(f"the measuring process died with code {code}", where=self.label, why=last)

    def _error(self, told: Mapping[str, str]) -> BurnishError:
        kinds = {name: kind for name, kind in vars(errors).items() if isinstance(kind, type)}
        kind = kinds.get(told["kind"], BurnishError)
        where = ", ".join(part for part in (self.label, told["where"]) if part)
        made = kind(told["what"], where=where, why=told["why"], help=told["help"])
        return made if isinstance(made, BurnishError) else BurnishError(told["what"], where=where)


def _open(pipe: IO[str] | None) -> IO[str]:
    if pipe is None:
        raise BurnishError("the measuring process has no pipe")
    return pipe


def _plain(value: object) -> str:
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is no JSON")
