"""Trust: rows whose label the model has come to believe count more; for wrong labels.

A network learns what rows have in common before it learns single wrong labels, so a row whose label stays unlikely is
suspect. Weight c / (c + mean of the batch), squared, c an average over the run of the confidence (exp of minus the
loss). Hard rows count less too: not for a long tail.
Source: the small-loss trick, Arpit et al. (ICML 2017), Han et al., "Co-teaching" (NeurIPS 2018), as a soft weight.
"""

from __future__ import annotations

from torch import Tensor

from burnish.train.weighting import Weighting


class Trust(Weighting):
    """By the confidence so far in the given label."""

    def raw(self, confidence: Tensor, rows: Tensor) -> Tensor:
        """0 to 1."""
        del confidence
        found = self.confidence[rows]
        return (found / (found + 0.5 * found.mean()).clamp_min(1e-12)).square()


PART = Trust
