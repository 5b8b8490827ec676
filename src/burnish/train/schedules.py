"""Learning-rate schedules: pure functions from a step to a factor of the peak rate.

Every schedule rises during the warm-up to exactly 1 and never rises again. Warm-up is linear,
but a cosine for one-cycle (Smith and Topin 2018, https://arxiv.org/abs/1708.07120), which starts
at 1/25 of the peak and falls to zero.
"""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["constant", "linear", "cosine", "one-cycle"]

_ONE_CYCLE_START = 1 / 25


def factor(schedule: Schedule, step: int, *, total: int, warmup: float = 0.0) -> float:
    """The factor, in (0, 1], at `step` of `total` (0 is the first step).

    `warmup` is the share of the steps spent rising. The last step is still above zero.
    """
    rising = round(warmup * total)
    if step < rising:
        share = (step + 1) / (rising + 1)
        if schedule == "one-cycle":
            return _ONE_CYCLE_START + (1 - _ONE_CYCLE_START) * _half_cosine(1 - share)
        return share
    done = (step - rising) / max(1, total - rising)
    if schedule == "constant":
        return 1.0
    if schedule == "linear":
        return 1.0 - done
    return _half_cosine(done)


def _half_cosine(done: float) -> float:
    """1 at `done` = 0, 0 at `done` = 1."""
    return (1 + math.cos(math.pi * done)) / 2
