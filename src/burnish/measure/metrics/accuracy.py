"""Share of rows whose largest class score is the target's.

Predictions are scores [N, C], or one score [N] or [N, 1] for two classes: above 0 is class 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.measure.labels import predicted_labels
from burnish.measure.metric import Array, Metric


class Accuracy(Metric):
    """Top-1 accuracy, 0 to 1."""

    name = "accuracy"

    def compute(self, predictions: Array, targets: Array) -> float:
        """The mean over rows."""
        return float(self.rows(predictions, targets).mean())

    def rows(self, predictions: Array, targets: Array) -> NDArray[np.float64]:
        """1 where the row is right, else 0."""
        right: NDArray[np.float64] = (predicted_labels(predictions) == targets.reshape(-1)).astype(np.float64)
        return right


PART = Accuracy()
