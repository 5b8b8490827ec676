"""Whether to hold a free device for the next arrival.

Steady independent traffic gives no reason to: what is here now can run, and the next ones form the
next batch meanwhile. Clients that wait for their answers do: after a batch they all come back within a
moment, and a batch begun with the first of them makes the others wait for a whole one. Both show in
the recent gaps between arrivals, so the rule looks at those and nothing else (optimal stopping on
their empirical distribution).
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable

_KEPT = 128
_LEAST = 8
_SURE = 5.0
"""Times that the expected gain has to exceed the expected cost."""
_MORE = 1.25
"""A gap a little longer than the longest one worth waiting for is waited for too."""


class Gaps:
    """The latest gaps between arrivals, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self._sum = 0.0
        self._last: float | None = None

    def arrived(self, now: float) -> None:
        """Note an arrival."""
        if self._last is not None:
            if len(self._recent) == _KEPT:
                gone = self._recent.popleft()
                del self._sorted[bisect_right(self._sorted, gone) - 1]
                self._sum -= gone
            gap = max(0.0, now - self._last)
            self._recent.append(gap)
            insort(self._sorted, gap)
            self._sum += gap
        self._last = now

    @property
    def rate(self) -> float:
        """Arrivals per second lately; 0.0 while too few have been seen."""
        return len(self._recent) / self._sum if len(self._recent) >= _LEAST and self._sum > 0 else 0.0

    def hold(self, now: float, rows: int, seconds: Callable[[int], float], slack: float) -> float:
        """Seconds to hold a batch of `rows` for one more row, at most `slack`; 0.0 to go at once.

        Holding for h seconds costs h for everyone in the batch; an arrival within h saves what a batch of
        its own would cost beyond a longer one.
        """
        if len(self._recent) < _LEAST or self._last is None or slack <= 0:
            return 0.0
        saved = seconds(rows) + seconds(1) - seconds(rows + 1)
        waited = now - self._last
        rest = self._sorted[bisect_right(self._sorted, waited) :]
        best, found, before = 0.0, 0.0, 0.0
        for count, gap in enumerate(rest, start=1):
            held = gap - waited
            if held > slack:
                break
            before += held
            cost = (1 + rows) * (before + held * (len(rest) - count))
            gain = saved * count - _SURE * cost
            if gain > best:
                best, found = gain, held
        return min(slack, _MORE * found)
