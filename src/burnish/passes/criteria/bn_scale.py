"""BN scale: the absolute scale of the normalization behind a channel.

Source: Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017.
Only for channels followed by a normalization layer with a scale.
"""

from __future__ import annotations

import torch
from torch import Tensor

from burnish.core.errors import Unsupported
from burnish.passes.criterion import Criterion, GroupView


class BnScale(Criterion):
    """Mean absolute scale over the group's normalization layers."""

    def score(self, group: GroupView) -> Tensor:
        """[C], see `Criterion.score`."""
        if not group.scales:
            raise Unsupported("no normalization scale follows these channels", where=group.name)
        return torch.stack([scale.abs() for scale in group.scales]).mean(0)


PART = BnScale()
