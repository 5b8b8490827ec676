"""How far two arrays of predictions are apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BurnishError

Array = NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Distance between predictions and a reference.

    `max_abs` is the largest absolute difference, `relative` the same in units of the reference's
    standard deviation (infinite when the reference is constant and the difference is not 0), and
    `top1` the share of rows whose largest class is the same; None when rows are single numbers.
    """

    max_abs: float
    relative: float
    top1: float | None


def agreement(predictions: Array, reference: Array) -> Agreement:
    """Compare two arrays of the same shape [N, ...]. A NaN anywhere makes the distances NaN.

    Raises `BurnishError` when the shapes differ or are empty.
    """
    if predictions.shape != reference.shape or reference.size == 0:
        raise BurnishError(f"cannot compare the shapes {predictions.shape} and {reference.shape}")
    ours, theirs = predictions.astype(np.float64), reference.astype(np.float64)
    max_abs = float(np.abs(ours - theirs).max())
    spread = float(theirs.std())
    relative = max_abs / spread if spread > 0 else (np.inf if max_abs > 0 else max_abs)
    top1 = None
    if ours.ndim > 1 and ours.shape[-1] > 1:
        top1 = float((ours.argmax(-1) == theirs.argmax(-1)).mean())
    return Agreement(max_abs=max_abs, relative=relative, top1=top1)
