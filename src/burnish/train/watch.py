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

    def timed(self, items: Iterator[T]) -> Iterator[T]:
        """The same items; counts the time until each one comes, and the time until the next one is asked for."""
        asked = self._clock()
        for item in items:
            came = self._clock()
            yield item
            back = self._clock()
            self._waited += came - asked
            self._used += back - came
            asked = back

    def share(self) -> float:
        """The part of the time that was waiting, in [0, 1]; 0 when there was none."""
        whole = self._waited + self._used
        return self._waited / whole if whole > 0 else 0.0

    def mark(self) -> None:
        """Start to count again."""
        self._marked = self._clock()

    def since_mark(self) -> float:
        """Seconds since the last mark."""
        return self._clock() - self._marked
