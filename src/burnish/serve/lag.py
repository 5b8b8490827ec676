"""How long an answer takes from the device to its client, so that deadlines can be kept up to there.

A batch is done for all its requests at once, and their answers are then written one after the other by one event
loop, the most urgent first. What that first one took lately is taken off every deadline: those behind it have later
deadlines, further apart than two answers.
"""

from __future__ import annotations

from collections import deque

from burnish.serve.profile import tail

_KEPT = 256
_EVERY = 32
_QUANTILE = 0.95
_MOST = 0.25
"""Share of a request's time that may be reserved."""

_WAY, _LONGEST_WAY_S = 0.02, 0.01
"""Share of a request's time for the way to and from its client, which the service does not see, and the most of it:
a way does not grow with the patience of who goes it."""


class Lag:
    """Recent times from a finished batch to its first written answer, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_KEPT)
        self._count = 0
        self._tail = 0.0

    def add(self, seconds: float) -> None:
        """One more first answer was written, that long after its batch was done."""
        self._recent.append(seconds)
        self._count += 1
        if self._count % _EVERY == 0:
            self._tail = tail(self._recent, _QUANTILE)

    def reserve(self, limit_s: float) -> float:
        """What to keep of a request's time for its answer to reach the client."""
        return min(self._tail + min(_WAY * limit_s, _LONGEST_WAY_S), _MOST * limit_s)
