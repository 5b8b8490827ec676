"""How long an answer takes from the device to the socket, so that deadlines can be kept up to there.

A batch is done for all its requests at once, and their answers are then written one after the other by one event
loop: the last one of a large batch waits for all others. What that took lately is taken off every deadline.
"""

from __future__ import annotations

from collections import deque

from burnish.serve.profile import tail

_KEPT = 256
_EVERY = 32
_QUANTILE = 0.95
_MOST = 0.25
"""Share of a request's time that may be reserved."""


class Lag:
    """Recent times from a finished batch to a written answer, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_KEPT)
        self._count = 0
        self._tail = 0.0

    def add(self, seconds: float) -> None:
        """One more answer was written, that long after its batch was done."""
        self._recent.append(seconds)
        self._count += 1
        if self._count % _EVERY == 0:
            self._tail = tail(self._recent, _QUANTILE)

    def reserve(self, limit_s: float) -> float:
        """What to keep of a request's time for writing its answer."""
        return min(self._tail, _MOST * limit_s)
