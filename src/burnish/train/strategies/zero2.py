"""ZeRO-2: parameters, gradients and optimizer state are divided; parameters are whole from forward to backward pass.

Every batch's gradients are exchanged at once, also where several make one step: whole ones are never kept. Optimizers
that act by element only (adamw, sgd, lion). Source: Rajbhandari et al. (SC 2020); torch's FSDP2 without resharding
after the forward pass, which between steps also divides the parameters.
"""

from __future__ import annotations

from burnish.train.memory import ModelSize, StateBytes, divided, unit_bytes
from burnish.train.sharded import Sharded


class Zero2(Sharded):
    """FSDP2 with parameters kept for the backward pass."""

    name = "zero2"
    sharding = 3
    reshard = False

    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """See `Strategy.predict`. All parameters are together for a while, and one block's gradients."""
        blocks = unit_bytes(size)
        return divided(size, world).model_copy(update={"gathered": sum(blocks) + max(blocks)})


PART = Zero2
