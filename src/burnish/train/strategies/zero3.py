"""ZeRO-3: parameters, gradients and optimizer state are divided; a block is put together while it is at work.

Model state shrinks with the number of ranks, at the price of gathering every block twice a step. Optimizers that act by
element only (adamw, sgd, lion). Source: Rajbhandari et al. (SC 2020); Zhao et al., "PyTorch FSDP" (VLDB 2023);
torch's FSDP2.
"""

from __future__ import annotations

from burnish.train.memory import ModelSize, StateBytes, divided, unit_bytes
from burnish.train.sharded import Sharded


class Zero3(Sharded):
    """FSDP2."""

    name = "zero3"
    sharding = 4
    reshard = True

    def predict(self, size: ModelSize, world: int) -> StateBytes:
        """See `Strategy.predict`. Put together: two blocks (one ahead), gradients of one, what is outside of blocks."""
        outside, *blocks = unit_bytes(size)
        largest = max(blocks, default=0.0)
        return divided(size, world).model_copy(update={"gathered": outside + 3 * largest})


PART = Zero3
