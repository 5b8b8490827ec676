"""Share of rows whose target is among the five largest class scores.

Predictions are scores [N, C]; of equal scores the lower class number comes first.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.measure.metric import Array, Metric


class Top5(Metric):
    """Top-5 accuracy, 0 to 1."""

    name = "top5"

    def compute(self, predictions: Array, targets: Array) -> float:
        """The mean over rows."""
        return float(self.rows(predictions, targets).mean())

    def rows(self, predictions: Array, targets: Array) -> NDArray[np.float64]:
        """1 where the target is among the five, else 0."""
        best = np.argsort(-predictions.astype(np.float64), axis=-1, kind="stable")[:, :5]
        rows: NDArray[np.float64] = (best == targets.reshape(-1, 1)).any(-1).astype(np.float64)
        return rows


PART = Top5()
