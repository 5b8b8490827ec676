"""Optimizers over a module's trainable parameters, and their state as plain tensors.

Biases, norm weights and other parameters that are vectors in all but shape (per-channel
quantizer ranges have shape [C, 1, 1, 1]) are not decayed.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.optim import SGD, AdamW, Optimizer

from burnish.core.errors import Unsupported
from burnish.train.settings import FitSettings


def build_optimizer(module: nn.Module, settings: FitSettings) -> Optimizer:
    """SGD with Nesterov momentum, or AdamW, as the settings say.

    Raises `Unsupported` when nothing in the module can be trained.
    """
    trainable = [p for p in module.parameters() if p.requires_grad]
    if not trainable:
        raise Unsupported(
            "the model has no trainable parameter",
            where=type(module).__name__,
            help="set requires_grad on what should be trained",
        )
    groups = [
        {"params": [p for p in trainable if not _is_vector(p)], "weight_decay": settings.weight_decay},
        {"params": [p for p in trainable if _is_vector(p)], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        nesterov = settings.momentum > 0
        return SGD(groups, lr=settings.learning_rate, momentum=settings.momentum, nesterov=nesterov, fused=True)
    return AdamW(groups, lr=settings.learning_rate, fused=True)


def set_rate(optimizer: Optimizer, rate: float) -> None:
    """Set the learning rate of every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def optimizer_state(optimizer: Optimizer) -> dict[str, Tensor]:
    """Momenta and step counts as tensors named `INDEX.NAME`, in the order of the parameters."""
    state = optimizer.state_dict()["state"]
    return {
        f"{index}.{name}": value
        for index, values in state.items()
        for name, value in values.items()
        if isinstance(value, Tensor)
    }


def load_optimizer_state(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """The inverse of `optimizer_state`, keeping the memory layout of each parameter."""
    params = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        index, _, name = key.partition(".")
        param = params[int(index)]
        like = torch.empty_like(param, dtype=value.dtype) if value.shape == param.shape else torch.empty_like(value)
        state.setdefault(int(index), {})[name] = like.detach().copy_(value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _is_vector(param: Tensor) -> bool:
    return sum(size > 1 for size in param.shape) <= 1
