"""Progress on stderr, one line per task, so that stdout ends with the JSON line."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from burnish.core.progress import Task


class _Quiet:
    def advance(self, steps: int = 1, note: str = "") -> None:
        del steps, note


class Lines:
    """A line when a task of more than a second ends, and every line of news."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        """A task; what it took is told at its end."""
        started = time.perf_counter()
        yield _Quiet()
        took = time.perf_counter() - started
        if took > 1:
            self.say(f"{label}: {total} steps in {took:.1f} s")

    def say(self, text: str) -> None:
        """One line with the seconds since the start."""
        print(f"{time.perf_counter() - self._started:7.1f} s  {text}", file=sys.stderr, flush=True)
