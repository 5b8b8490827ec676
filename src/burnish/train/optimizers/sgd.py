"""SGD with Nesterov momentum: the usual choice for convolutional networks trained from scratch.

Source: Sutskever et al., "On the importance of initialization and momentum in deep learning" (2013); torch's
fused step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import SGD, Optimizer

from burnish.train.settings import FitSettings


def sgd(groups: Sequence[dict[str, Any]], settings: FitSettings) -> Optimizer:
    """One momentum per parameter; none when `momentum` is 0."""
    nesterov = settings.momentum > 0
    return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=nesterov, fused=True)


PART = sgd
