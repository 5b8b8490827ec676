"""A curriculum: when the rows come in, easy ones first, and how often each comes in an epoch.

Over the whole run all rows come equally often; what comes late comes more often afterwards. Left out for good, the
hardest tenth of the first epochs would cost accuracy, whatever they are (LOG.md, 2026-11-27). Source of the idea:
Bengio et al., "Curriculum Learning" (ICML 2009).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.train.settings import FitSettings

Floats = NDArray[np.float64]


def pace(settings: FitSettings, count: int, epoch: int) -> Floats:
    """How often the row at each place, easiest first, comes in an epoch: 1 on average.

    In the stages only the first ones come. Afterwards those that were left out come more often, so over the run all
    rows come equally often and only the order is another one. After long stages that would leave easy rows out: no row
    comes less than a quarter as often as rows do on average.
    """
    seen: Floats = np.zeros(count)
    for number in range(epoch + 1):
        allowed = _allowed(settings, count, number)
        if allowed == count:
            break
        now: Floats = np.where(np.arange(count) < allowed, count / allowed, 0.0)
        if number == epoch:
            return now
        seen += now
    left = settings.epochs - seen
    often: Floats = np.clip(left / left.mean(), 0.5, 2.0)
    often /= often.mean()
    return often


def draw(often: Floats, count: int, seed: int) -> NDArray[np.int64]:
    """`count` places, each as often as it says, rounded up or down at random (systematic sampling)."""
    rng = np.random.default_rng(seed)
    mixed = rng.permutation(len(often))
    edges = np.floor(np.cumsum(often[mixed]) * (count / often.sum()) + rng.random())
    edges[-1] = count
    return np.repeat(mixed, np.diff(edges, prepend=0.0).astype(np.int64))


def _allowed(settings: FitSettings, count: int, epoch: int) -> int:
    """How many rows take part in an epoch: stages over the first part of the run, then all."""
    stage = int(epoch / settings.epochs / settings.curriculum_share * settings.curriculum_stages)
    step = (1 - settings.curriculum_start) / settings.curriculum_stages
    share = min(1.0, settings.curriculum_start + stage * step)
    return max(min(count, 2), round(share * count))


def easy_first(difficulty: Floats, targets: NDArray[np.generic]) -> NDArray[np.int64]:
    """Row numbers, easiest first; by their place within their class where targets are class numbers.

    So every class has the share of the rows that it has in all of them, however hard it is.
    """
    order = np.argsort(difficulty, kind="stable")
    if targets.ndim != 1 or targets.dtype.kind not in "iu":
        return order
    place = np.empty(len(order))
    for label in np.unique(targets):
        own = order[targets[order] == label]
        place[own] = (np.arange(len(own)) + 0.5) / len(own)
    return np.argsort(place, kind="stable")
