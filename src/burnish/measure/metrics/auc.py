"""Area under the ROC curve: how often a positive row is scored above a negative one; ties count half.

Predictions are one score [N] or [N, 1], or two columns [N, 2] (second minus first); with more
columns it is the mean over the classes present, each against the rest. Computed from ranks
(https://doi.org/10.1148/radiology.143.1.7063747).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from burnish.core.errors import BadData
from burnish.measure.metric import Array, Metric


class AUC(Metric):
    """Area under the ROC curve, 0 to 1; 0.5 is chance."""

    name = "auc"

    def compute(self, predictions: Array, targets: Array) -> float:
        """Over all rows. Raises `BadData` when only one class is present."""
        scores = predictions.astype(np.float64).reshape(len(predictions), -1)
        truth = targets.reshape(-1)
        classes = np.unique(truth)
        if len(classes) < 2:
            raise BadData("AUC needs rows of at least two classes", why=f"every target is {classes.tolist()}")
        if scores.shape[1] <= 2:
            return _auc(scores[:, -1] - (scores[:, 0] if scores.shape[1] == 2 else 0), truth == 1)
        return float(np.mean([_auc(scores[:, int(c)], truth == c) for c in classes]))


def _auc(scores: NDArray[np.float64], positive: Array) -> float:
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if num_positive == 0 or num_negative == 0:
        raise BadData("AUC needs rows of class 1 and of another class")
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks = (last - (counts - 1) / 2)[place]
    above = ranks[positive.astype(bool)].sum() - num_positive * (num_positive + 1) / 2
    return float(above / (num_positive * num_negative))


PART = AUC()
