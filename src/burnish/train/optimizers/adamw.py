"""AdamW: two moments per parameter and decoupled decay; what fine-tuning and transformers are tuned with.

Source: Loshchilov & Hutter, "Decoupled weight decay regularization" (ICLR 2019); torch's fused step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import AdamW, Optimizer

from burnish.train.settings import FitSettings


def adamw(groups: Sequence[dict[str, Any]], settings: FitSettings) -> Optimizer:
    """Moments with torch's own coefficients, 0.9 and 0.999."""
    return AdamW(groups, lr=settings.learning_rate, fused=True)


PART = adamw
