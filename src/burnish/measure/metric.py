"""What a metric is: predictions and targets in, one number out, direction known."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.generic]


class Metric(ABC):
    """One quality number. Stateless.

    `points` is true for shares between 0 and 1, which people discuss in percentage points.
    `predictions` is the model's first output, [N, ...]; `targets` is [N, ...].
    """

    name: str
    higher_is_better: bool = True
    points: bool = True

    @abstractmethod
    def compute(self, predictions: Array, targets: Array) -> float:
        """The metric over all rows."""

    def rows(self, predictions: Array, targets: Array) -> NDArray[np.float64] | None:
        """One value per row whose mean is `compute`, or None when it is no mean over rows."""
        del predictions, targets
        return None
