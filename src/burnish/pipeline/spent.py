"""Where the time of a run goes: training, measuring, and what is left is the tool's own."""

from __future__ import annotations

import time
from dataclasses import dataclass, field


@dataclass
class Stopwatch:
    """Seconds so far inside of `with stopwatch:`, also where that failed. Not to be nested."""

    seconds: float = 0.0
    _began: float = field(default=0.0, init=False)

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.seconds += time.perf_counter() - self._began


@dataclass
class Spent:
    """Measuring is latency and scores, with the building of the programs that are timed."""

    training: Stopwatch = field(default_factory=Stopwatch)
    measuring: Stopwatch = field(default_factory=Stopwatch)
