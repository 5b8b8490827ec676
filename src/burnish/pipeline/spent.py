"""Where the time of a run goes: training, measuring, and what is left is the tool's own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(kw_only=True)
class Spent:
    """Seconds so far. Measuring is latency and scores, with the building of the programs that are timed."""

    training: float = 0.0
    measuring: float = 0.0

    @contextmanager
    def on_training(self) -> Iterator[None]:
        """Counts what is inside, also when it fails. Not to be nested."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.training += time.perf_counter() - began

    @contextmanager
    def on_measuring(self) -> Iterator[None]:
        """Counts what is inside, also when it fails. Not to be nested."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.measuring += time.perf_counter() - began
