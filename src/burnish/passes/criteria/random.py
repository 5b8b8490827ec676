"""Random: the control every other criterion has to beat."""

from __future__ import annotations

import zlib

import torch
from torch import Tensor

from burnish.passes.criterion import Criterion, GroupView


class Random(Criterion):
    """Uniform numbers, fixed by the seed and the group's name."""

    def score(self, group: GroupView) -> Tensor:
        """[C], see `Criterion.score`."""
        seed = zlib.crc32(f"{group.seed}/{group.name}".encode())
        return torch.rand(group.channels, generator=torch.Generator().manual_seed(seed))


PART = Random()
