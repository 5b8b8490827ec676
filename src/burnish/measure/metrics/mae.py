"""Mean absolute error, for regression; predictions and targets have the same number of values per row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.measure.labels import row_differences
from burnish.measure.metric import Array, Metric


class MAE(Metric):
    """Mean absolute error; lower is better."""

    name = "mae"
    higher_is_better = False
    points = False

    def compute(self, predictions: Array, targets: Array) -> float:
        """The mean over rows."""
        return float(self.rows(predictions, targets).mean())

    def rows(self, predictions: Array, targets: Array) -> NDArray[np.float64]:
        """The mean absolute difference within each row."""
        difference = row_differences(predictions, targets)
        rows: NDArray[np.float64] = np.abs(difference).mean(1)
        return rows


PART = MAE()
