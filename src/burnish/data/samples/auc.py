"""Area under the ROC curve with its variance (DeLong, DeLong and Clarke-Pearson 1988; ranks after Sun and Xu 2014)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def auc(positive: Floats, negative: Floats) -> tuple[float, float]:
    """Probability that a positive row scores above a negative one (ties count half), and its variance.

    Both parts need at least two rows.
    """
    both = _ranks(np.concatenate([positive, negative]))
    m, n = len(positive), len(negative)
    above = (both[:m] - _ranks(positive)) / n
    below = 1 - (both[m:] - _ranks(negative)) / m
    return float(above.mean()), float(above.var(ddof=1) / m + below.var(ddof=1) / n)


def _ranks(values: Floats) -> Floats:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Floats = (last - (counts - 1) / 2)[place]
    return ranks
