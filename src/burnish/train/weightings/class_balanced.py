"""Class-balanced: rare classes count more, by the effective number of their rows; for a long tail.

A class of n rows weighs (1 - b) / (1 - b^n), b = 1 - 1 / N of N training rows, so that doubles of the same picture do
not count as new ones. After the warm-up, which learns features from rows as they are (deferred, Cao et al. 2019).
Source: Cui et al., "Class-Balanced Loss Based on Effective Number of Samples" (CVPR 2019).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from burnish.data.split import Split
from burnish.train.settings import FitSettings
from burnish.train.weighting import Weighting, class_labels


class ClassBalanced(Weighting):
    """Fixed by class."""

    def __init__(self, split: Split, settings: FitSettings) -> None:
        super().__init__(split, settings)
        labels = class_labels(split.targets, "class-balanced")
        counts = np.bincount(labels)
        beta = 1 - 1 / len(labels)
        by_class = (1 - beta) / np.maximum(1 - beta**counts, 1e-12)
        self._fixed = torch.from_numpy(by_class[labels]).float()

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """The weight of each row's class."""
        del confidence
        return self._fixed[rows]


PART = ClassBalanced
