"""Lion: the sign of a momentum; half of AdamW's memory, and wants a rate 3 to 10 times smaller.

Every coordinate moves by the rate, whatever its gradient: update = sign(b1 * momentum + (1 - b1) * gradient), then
momentum = b2 * momentum + (1 - b2) * gradient, decay decoupled and 3 to 10 times AdamW's.
Source: Chen et al., "Symbolic discovery of optimization algorithms" (NeurIPS 2023), algorithm 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from burnish.train.settings import FitSettings

_BETAS = (0.9, 0.99)


class Lion(Optimizer):
    """One float per parameter. Groups bring `lr` and `weight_decay`."""

    def __init__(self, groups: Sequence[dict[str, Any]], *, lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient. A closure is not supported."""
        assert closure is None
        for group in self.param_groups:
            params: list[Tensor] = [p for p in group["params"] if p.grad is not None]
            if not params:
                continue
            momenta = [self._momentum(p) for p in params]
            grads = [p.grad for p in params if p.grad is not None]
            updates = torch._foreach_mul(momenta, _BETAS[0])
            torch._foreach_add_(updates, grads, alpha=1 - _BETAS[0])
            torch._foreach_sign_(updates)
            torch._foreach_mul_(params, 1 - group["lr"] * group["weight_decay"])
            torch._foreach_add_(params, updates, alpha=-group["lr"])
            torch._foreach_lerp_(momenta, grads, 1 - _BETAS[1])

    def _momentum(self, param: Tensor) -> Tensor:
        state = self.state[param]
        if not state:
            state["exp_avg"] = torch.zeros_like(param, memory_format=torch.preserve_format)
        found: Tensor = state["exp_avg"]
        return found


def lion(groups: Sequence[dict[str, Any]], settings: FitSettings) -> Optimizer:
    """With the paper's coefficients, 0.9 and 0.99."""
    return Lion(groups, lr=settings.learning_rate)


PART = lion
