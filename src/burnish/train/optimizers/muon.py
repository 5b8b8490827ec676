"""Muon: orthogonalised momentum for the matrices inside a network, AdamW for everything else.

Linear weights take Muon; embeddings, convolutions, norms and biases take AdamW. Updates of both have the size of
AdamW's, so one rate serves them. Source: Jordan et al., "Muon: an optimizer for hidden layers in neural networks"
(2024), sizes by Liu et al. (2025); torch's implementation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.optim import AdamW, Optimizer

from burnish.train.settings import FitSettings


class MuonAndAdamW(Optimizer):
    """Two optimizers that share one state and one list of groups, so that it is saved and loaded as one."""

    def __init__(self, groups: Sequence[dict[str, Any]], *, lr: float) -> None:
        super().__init__(groups, {"lr": lr, "weight_decay": 0.0})
        self._share()

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient. A closure is not supported."""
        assert closure is None
        for optimizer in self._parts:
            optimizer.step()

    def load_state_dict(self, state_dict: Any) -> None:
        """See torch."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        matrices = [group for group in self.param_groups if group["kind"] == "linear"]
        others = [group for group in self.param_groups if group["kind"] != "linear"]
        self._parts: list[Optimizer] = []
        if matrices:
            self._parts.append(torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw"))
        if others:
            self._parts.append(AdamW(others, fused=True))
        for optimizer in self._parts:
            optimizer.state = self.state


def muon(groups: Sequence[dict[str, Any]], settings: FitSettings) -> Optimizer:
    """With torch's own coefficients."""
    return MuonAndAdamW(groups, lr=settings.learning_rate)


PART = muon
