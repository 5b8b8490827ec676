"""Hard: rows that the model has not been sure of so far count more, up to three times; for clean labels.

Weight 1 + 2 (1 - c), c an average over the run of the confidence (exp of minus the loss). Wrong labels stay hard to
the end, so with noisy labels this makes things worse: take `trust` there.
Source: the idea of hard example mining, Shrivastava et al. (CVPR 2016), with an average instead of one look.
"""

from __future__ import annotations

from torch import Tensor

from burnish.train.weighting import Weighting


class Hard(Weighting):
    """By the confidence so far."""

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """1 to 3."""
        del confidence
        return 3 - 2 * self.confidence[rows]


PART = Hard
