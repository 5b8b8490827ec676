"""F1: harmonic mean of precision and recall, of class 1 for two classes, else averaged over classes.

Predictions are scores [N, C], or one score [N] or [N, 1] for two classes: above 0 is class 1. With
more than two score columns it is the plain mean over the classes seen in predictions or targets
("macro"). Where nothing was predicted or to be found, F1 is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.measure.labels import predicted_labels
from burnish.measure.metric import Array, Metric


class F1(Metric):
    """F1 score, 0 to 1."""

    name = "f1"

    def compute(self, predictions: Array, targets: Array) -> float:
        """Over all rows; it is no mean over rows."""
        labels, truth = predicted_labels(predictions), targets.reshape(-1).astype(np.int64)
        binary = predictions.ndim == 1 or predictions.shape[-1] <= 2
        classes = [1] if binary else np.union1d(labels, truth)
        return float(np.mean([_f1(labels == c, truth == c) for c in classes]))


def _f1(found: NDArray[np.bool_], wanted: NDArray[np.bool_]) -> float:
    both = int((found & wanted).sum())
    total = int(found.sum()) + int(wanted.sum())
    return 2 * both / total if total else 0.0


PART = F1()
