"""Progress of a benchmark as lines on stderr: what a task of more than a second took, and where a long one stands."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from burnish.core.progress import Task

_EVERY_S = 30.0


class _Told:
    def __init__(self, label: str, total: int, say: Callable[[str], None]) -> None:
        self._label, self._total, self._say = label, total, say
        self._done = 0
        self._started = self._last = time.perf_counter()

    def advance(self, steps: int = 1, note: str = "") -> None:
        self._done += steps
        now = time.perf_counter()
        if now - self._last < _EVERY_S:
            return
        self._last = now
        left = (self._total - self._done) * (now - self._started) / max(1, self._done)
        news = f", {note}" if note else ""
        self._say(f"  {self._label} {self._done}/{self._total}, about {left:.0f} s left{news}")


class Lines:
    """A line when a task of more than a second ends, every half a minute of a longer one, and every line of news."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @contextmanager
    def task(self, label: str, total: int) -> Iterator[Task]:
        """A task; what it took is told at its end."""
        started = time.perf_counter()
        yield _Told(label, total, self.say)
        took = time.perf_counter() - started
        if took > 1:
            self.say(f"{label}: {total} steps in {took:.1f} s")

    def say(self, text: str) -> None:
        """One line with the seconds since the start."""
        print(f"{time.perf_counter() - self._started:7.1f} s  {text}", file=sys.stderr, flush=True)
