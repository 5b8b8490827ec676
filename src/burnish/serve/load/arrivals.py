"""When requests are due: Poisson, on-off bursts, or a trace; seconds from the start, sorted."""

from __future__ import annotations

import csv
import random
import threading
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from burnish.core.errors import BadData


def poisson(rate: float, seconds: float, *, seed: int = 0) -> list[float]:
    """Independent arrivals, `rate` a second on average."""
    chance = random.Random(seed)
    due: list[float] = []
    now = chance.expovariate(rate)
    while now < seconds:
        due.append(now)
        now += chance.expovariate(rate)
    return due


def bursts(rate: float, seconds: float, *, on_s: float = 0.5, off_s: float = 0.5, seed: int = 0) -> list[float]:
    """Poisson arrivals in turns of `on_s` with pauses of `off_s`; `rate` is the mean over both."""
    period = on_s + off_s
    busy = poisson(rate * period / on_s, seconds * on_s / period, seed=seed)
    return [moment // on_s * period + moment % on_s for moment in busy]


def trace(path: Path, rate: float, seconds: float) -> list[float]:
    """The arrivals of a CSV file with a column TIMESTAMP, stretched in time to `rate` a second on average.

    Time stamps are seconds, or dates as in 2023-11-16 18:15:46.68. Raises `BadData`.
    """
    try:
        with path.open(newline="") as file:
            stamps = [_seconds(row["TIMESTAMP"]) for row in csv.DictReader(file)]
    except (OSError, KeyError, ValueError, csv.Error) as error:
        raise BadData(
            "the trace cannot be read", where=str(path), why=str(error), help="give a CSV file with a column TIMESTAMP"
        ) from None
    if len(stamps) < 2 or any(later < earlier for earlier, later in pairwise(stamps)) or stamps[-1] == stamps[0]:
        raise BadData("the trace needs at least two time stamps, in order", where=str(path))
    stretch = (len(stamps) - 1) / (stamps[-1] - stamps[0]) / rate
    return [due for stamp in stamps if (due := (stamp - stamps[0]) * stretch) < seconds]


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return datetime.fromisoformat(text[:26]).timestamp()


def pace(moments: Sequence[float], send: Callable[[int], object], ended: threading.Event) -> None:
    """Call `send` with the index of each moment (of `time.monotonic`) when it comes, until `ended`.

    For a thread: an event loop's clock counts whole milliseconds, and would send up to one too late.
    """
    for number, moment in enumerate(moments):
        if ended.wait(max(0.0, moment - time.monotonic())):
            return
        send(number)
