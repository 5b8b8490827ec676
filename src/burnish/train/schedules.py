"""Learning-rate schedules: pure functions from a step to a factor of the peak rate.

Every schedule rises during the warm-up to exactly 1 and never rises again, but for cosine-restarts, which starts
anew at 1 after every cycle (Loshchilov and Hutter 2017, https://arxiv.org/abs/1608.03983). Warm-up is linear,
but a cosine for one-cycle (Smith and Topin 2018, https://arxiv.org/abs/1708.07120), which starts
at 1/25 of the peak and falls to zero.
"""

from __future__ import annotations

import math
from typing import Literal, get_args

Schedule = Literal["constant", "linear", "cosine", "cosine-restarts", "one-cycle"]
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)

_ONE_CYCLE_START = 1 / 25


def factor(schedule: Schedule, step: int, *, total: int, warmup: float = 0.0, cycle: int = 0, growth: int = 1) -> float:
    """The factor, in (0, 1], at `step` of `total` (0 is the first step).

    `warmup` is the share of the steps spent rising. The last step is still above zero. For cosine-restarts
    `cycle` is the steps of the first cycle after the warm-up (0: all), and each next one is `growth` times as long.
    """
    rising = round(warmup * total)
    if step < rising:
        share = (step + 1) / (rising + 1)
        if schedule == "one-cycle":
            return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * _half_cosine(1 - share)
        return share
    if schedule == "cosine-restarts":
        return _half_cosine(_in_cycle(step - rising, cycle or total - rising, growth))
    done = (step - rising) / max(1, total - rising)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - done
    return _half_cosine(done)


def _in_cycle(step: int, length: int, growth: int) -> float:
    """The share of its cycle that lies behind `step`."""
    while step >= length:
        step -= length
        length *= growth
    return step / length


def _half_cosine(done: float) -> float:
    """1 at `done` = 0, 0 at `done` = 1."""
    return (1 + math.cos(math.pi * done)) / 2
