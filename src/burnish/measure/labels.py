"""What several metrics share: class labels from scores, and differences row by row."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.measure.metric import Array


def predicted_labels(predictions: Array) -> NDArray[np.int64]:
    """Class numbers [N] from scores [N, C], or from one score [N] or [N, 1] (above 0 is class 1)."""
    if predictions.ndim == 1 or predictions.shape[-1] == 1:
        return (predictions.reshape(-1).astype(np.float64) > 0).astype(np.int64)
    labels: NDArray[np.int64] = predictions.argmax(-1).astype(np.int64)
    return labels


def row_differences(predictions: Array, targets: Array) -> NDArray[np.float64]:
    """Predictions minus targets, [N, values per row]. Raises `BadData` when the sizes differ."""
    n = len(targets)
    if predictions.size != targets.size or len(predictions) != n:
        raise BadData(f"predictions {predictions.shape} do not fit targets {targets.shape}")
    return predictions.reshape(n, -1).astype(np.float64) - targets.reshape(n, -1).astype(np.float64)
