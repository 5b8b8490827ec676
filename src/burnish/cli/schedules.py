"""`burnish explain schedule`: every learning-rate schedule as a plot of text."""

from __future__ import annotations

from collections.abc import Sequence

from burnish.cli.terminal.console import print_line
from burnish.train.schedules import SCHEDULES, Schedule, factor

_COLUMNS, _ROWS, _WARMUP = 64, 8, 0.1
_CYCLES = 7
"""So many times the first cycle fits when each is twice as long as the one before: 1 + 2 + 4."""

_MEANING: dict[Schedule, str] = {
    "constant": "the peak all the time",
    "linear": "straight down to zero",
    "cosine": "half a cosine down to zero",
    "cosine-restarts": "cosines that start anew; t_0: epochs of the first, t_mult: growth of the next (2 here)",
    "one-cycle": "from 1/25 of the peak up by a cosine, then down to zero",
}
_EIGHTHS = " ▁▂▃▄▅▆▇█"


def show_schedules() -> None:
    """Print each schedule with a warm-up of a tenth of the steps."""
    print_line(f"share of the peak rate over the steps of a training; warmup: {_WARMUP}\n")
    for schedule in SCHEDULES:
        print_line(f"{schedule}: {_MEANING[schedule]}", style="bold")
        for line in plot(curve(schedule)):
            print_line(line)
        print_line("")


def curve(schedule: Schedule) -> list[float]:
    """The factor in the middle of each column, in (0, 1]."""
    total = 10 * _COLUMNS
    cycle = round(total * (1 - _WARMUP) / _CYCLES)
    steps = range(5, total, 10)
    return [factor(schedule, step, total=total, warmup=_WARMUP, cycle=cycle, growth=2) for step in steps]


def plot(values: Sequence[float]) -> list[str]:
    """Values in [0, 1] as a bar chart of text, highest row first, with a scale to its left."""
    heights = [round(8 * _ROWS * value) for value in values]
    rows = []
    for row in reversed(range(_ROWS)):
        cells = "".join(_EIGHTHS[min(8, max(0, height - 8 * row))] for height in heights)
        rows.append(f"{(row + 1) / _ROWS:4.2f} ▏{cells}".rstrip())
    return rows
