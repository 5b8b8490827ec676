"""L1: the sum of absolute weights that make a channel.

Source: Li et al., "Pruning Filters for Efficient ConvNets", ICLR 2017. Costs nothing; a fair first
choice when layers are normalized.
"""

from __future__ import annotations

import torch
from torch import Tensor

from burnish.passes.criterion import Criterion, GroupView


class L1(Criterion):
    """Sum over producers of the L1 norm of a channel's weights."""

    def score(self, group: GroupView) -> Tensor:
        """[C], see `Criterion.score`."""
        return torch.stack([w.abs().sum(1) for w in group.producers]).sum(0)


PART = L1()
