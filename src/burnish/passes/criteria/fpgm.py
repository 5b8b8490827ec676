"""FPGM: how far a channel's weights lie from those of all other channels.

Source: He et al., "Filter Pruning via Geometric Median", CVPR 2019. Removes what others can stand
in for, instead of what is small.
"""

from __future__ import annotations

import torch
from torch import Tensor

from burnish.passes.criterion import Criterion, GroupView


class Fpgm(Criterion):
    """Sum of distances from a channel's weights to every other channel's."""

    def score(self, group: GroupView) -> Tensor:
        """[C], see `Criterion.score`."""
        return torch.stack([torch.cdist(w, w).sum(1) for w in group.producers]).sum(0)


PART = Fpgm()
