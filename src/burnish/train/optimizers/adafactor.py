"""Adafactor: second moments as one row and one column per matrix, no momentum; for models that barely fit.

Of a matrix [n, m] it keeps n + m numbers. Of a convolution it factors the kernel's two sides, which saves
little there. The rate is relative to the size of the parameters and bounded by 1 / sqrt(step).
Source: Shazeer & Stern, "Adafactor: adaptive learning rates with sublinear memory cost" (2018); torch's implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Adafactor, Optimizer

from burnish.train.settings import FitSettings


def adafactor(groups: Sequence[dict[str, Any]], settings: FitSettings) -> Optimizer:
    """Parameter by parameter: the faster form holds a second copy of all parameters."""
    return Adafactor(groups, lr=settings.learning_rate, foreach=False)


PART = adafactor
