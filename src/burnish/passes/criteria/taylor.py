"""Taylor: how much the loss would change without the channel, to first order, on real batches.

Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019. A factor of
1 is imagined on each channel where it is read; the squared derivative of the loss by that factor,
averaged over batches, is the score. Costs a few hundred backward passes and knows the task.
"""

from __future__ import annotations

from torch import Tensor

from burnish.core.errors import Unsupported
from burnish.passes.criterion import Criterion, GroupView


class Taylor(Criterion):
    """Mean squared derivative of the loss by a gate on the channel."""

    needs_gradients = True
    comparable = True

    def score(self, group: GroupView) -> Tensor:
        """[C], see `Criterion.score`."""
        if group.gates is None:
            raise Unsupported("no gradients reached this group", where=group.name)
        return group.gates


PART = Taylor()
