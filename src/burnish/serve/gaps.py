"""Whether to hold a free device for the next arrival.

Steady independent traffic gives no reason to: what is here now can run, and the next ones form the
next batch meanwhile. Clients that wait for their answers do: after a batch they all come back within a
moment, and a batch begun with the first of them makes the others wait for a whole one. Both show in
the recent gaps between arrivals, so the rule looks at those and nothing else (optimal stopping on
their empirical distribution). What came after as many as wait now says most: behind the last of a few such clients
there is nobody to wait for.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import defaultdict, deque
from collections.abc import Callable, Sequence

_KEPT = 128
_LEAST = 8
_KNOWN = 16
"""Gaps behind a number of waiting requests, from which on these alone can say that nobody comes."""
_NUMBERS = 64
"""Larger numbers of waiting requests count as this one."""
_SURE = 5.0
"""Times that the expected gain has to exceed the expected cost."""
_MORE = 1.25
"""A gap a little longer than the longest one worth waiting for is waited for too."""


class Latest:
    """The latest of some durations, in seconds."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque()
        self._sorted: list[float] = []
        self.sum = 0.0

    def __len__(self) -> int:
        return len(self._recent)

    def add(self, seconds: float) -> None:
        """One more, in the place of the oldest."""
        if len(self._recent) == _KEPT:
            gone = self._recent.popleft()
            del self._sorted[bisect_right(self._sorted, gone) - 1]
            self.sum -= gone
        self._recent.append(seconds)
        insort(self._sorted, seconds)
        self.sum += seconds

    def above(self, seconds: float) -> Sequence[float]:
        """Those that are longer, sorted."""
        return self._sorted[bisect_right(self._sorted, seconds) :]


class Gaps:
    """The latest gaps between arrivals: all of them, and those behind each number of waiting requests."""

    def __init__(self) -> None:
        self._all = Latest()
        self._behind: defaultdict[int, Latest] = defaultdict(Latest)
        self._last: float | None = None
        self._waiting = 0

    def arrived(self, now: float, waiting: int) -> None:
        """Note an arrival, and how many wait with it."""
        if self._last is not None:
            gap = max(0.0, now - self._last)
            self._all.add(gap)
            self._behind[self._waiting].add(gap)
        self._last, self._waiting = now, min(waiting, _NUMBERS)

    @property
    def rate(self) -> float:
        """Arrivals per second lately; 0.0 while too few have been seen."""
        return len(self._all) / self._all.sum if len(self._all) >= _LEAST and self._all.sum > 0 else 0.0

    def hold(self, now: float, rows: int, seconds: Callable[[int], float], slack: float) -> float:
        """Seconds to hold a batch of `rows` for one more row, at most `slack`; 0.0 to go at once.

        Holding for h seconds costs h for everyone in the batch; an arrival within h saves what a batch of
        its own would cost beyond a longer one.
        """
        if len(self._all) < _LEAST or self._last is None or slack <= 0:
            return 0.0
        waited = now - self._last
        saved = seconds(rows) + seconds(1) - seconds(rows + 1)
        behind = self._behind[self._waiting]
        here = 0.0
        if len(behind) >= _KNOWN:
            here = _worth(behind.above(waited), waited, rows, saved, slack)
            if not here:
                return 0.0
        return max(here, _worth(self._all.above(waited), waited, rows, saved, slack))


def _worth(gaps: Sequence[float], waited: float, rows: int, saved: float, slack: float) -> float:
    """Seconds to hold, of a gap that has lasted `waited` and is one of these (sorted)."""
    best, found, before = 0.0, 0.0, 0.0
    for count, gap in enumerate(gaps, start=1):
        held = gap - waited
        if held > slack:
            break
        before += held
        cost = (1 + rows) * (before + held * (len(gaps) - count))
        gain = saved * count - _SURE * cost
        if gain > best:
            best, found = gain, held
    return min(slack, _MORE * found)
