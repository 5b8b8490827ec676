"""How long a run waited for its batches, and when it was last written down."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

T = TypeVar("T")


class Watch:
    """Reads a clock that gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._marked = clock()
        self._waited = self._used = 0.0
        self._first: float | None = None
        self._others = 0

    def timed(self, items: Iterator[T]) -> Iterator[T]:
        """The same items; counts the time until each one comes, and the time until the next one is asked for."""
        asked = self._clock()
        for item in items:
            came = self._clock()
            yield item
            back = self._clock()
            self._waited += came - asked
            self._used += back - came
            if self._first is None:
                self._first = back - came
            else:
                self._others += 1
            asked = back

    def share(self) -> float:
        """The part of the time that was waiting, in [0, 1]; 0 when there was none."""
        whole = self._waited + self._used
        return self._waited / whole if whole > 0 else 0.0

    def first_step(self) -> str:
        """How long the first step took beside the mean of the others since the last start."""
        if self._first is None:
            return ""
        others = f", the others {(self._used - self._first) / self._others:.3g} s each" if self._others else ""
        return f"the first step took {self._first:.3g} s{others}"

    def mark(self) -> None:
        """Start to count again."""
        self._marked = self._clock()

    def since_mark(self) -> float:
        """Seconds since the last mark."""
        return self._clock() - self._marked
