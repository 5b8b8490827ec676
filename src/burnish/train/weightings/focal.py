"""Focal: rows that the model is sure of count less, (1 - confidence) squared; for many easy rows and few hard ones.

Looks at the confidence of this very step. Picks wrong labels, too: not for noisy labels. The weight is taken as a
constant, so its own gradient is left out.
Source: Lin et al., "Focal Loss for Dense Object Detection" (ICCV 2017), gamma 2.
"""

from __future__ import annotations

from torch import Tensor

from burnish.train.weighting import Weighting


class Focal(Weighting):
    """By the confidence of now."""

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """(1 - confidence)^2."""
        del rows
        return (1 - confidence).square()


PART = Focal
