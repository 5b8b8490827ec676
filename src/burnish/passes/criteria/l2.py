"""L2: the Euclidean length of the weights that make a channel.

Source: He et al., "Soft Filter Pruning", IJCAI 2018. Like `l1`, with more say for large weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from burnish.passes.criterion import Criterion, GroupView


class L2(Criterion):
    """Root of the sum over producers of a channel's squared weights."""

    def score(self, group: GroupView) -> Tensor:
        """[C], see `Criterion.score`."""
        return torch.stack([w.square().sum(1) for w in group.producers]).sum(0).sqrt()


PART = L2()
