"""An optimizer over a module's trainable parameters, and its state as plain tensors.

Parameters come in groups of a `kind`: "linear" (matrices of linear and recurrent layers), "embedding",
"convolution" (more than two dimensions), and "vector" (biases, norms, and what is a vector in all but shape:
per-channel quantizer ranges have shape [C, 1, 1, 1]), which is not decayed.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.core.doors import OPTIMIZERS
from burnish.core.errors import Unsupported
from burnish.train.settings import FitSettings


def build_optimizer(module: nn.Module, settings: FitSettings) -> Optimizer:
    """The optimizer that the settings name. Raises `Unsupported` when nothing in the module can be trained."""
    made: Optimizer = OPTIMIZERS.get(settings.optimizer)(groups_of(module, settings), settings)
    return made


def trainable_by_kind(module: nn.Module) -> dict[str, list[nn.Parameter]]:
    """The parameters that want a gradient, by kind."""
    kinds: dict[str, list[nn.Parameter]] = {}
    embeddings = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding | nn.EmbeddingBag)}
    for param in module.parameters():
        if param.requires_grad:
            kinds.setdefault(_kind(param, id(param) in embeddings), []).append(param)
    return kinds


def groups_of(module: nn.Module, settings: FitSettings) -> list[dict[str, Any]]:
    """What an optimizer is made of: one group for each kind. Raises `Unsupported` when nothing can be trained."""
    kinds = trainable_by_kind(module)
    if not kinds:
        raise Unsupported(
            "the model has no trainable parameter",
            where=type(module).__name__,
            help="set requires_grad on what should be trained",
        )
    return [
        {"params": params, "kind": kind, "weight_decay": 0.0 if kind == "vector" else settings.weight_decay}
        for kind, params in kinds.items()
    ]


def state_bytes_per_parameter(name: str) -> float:
    """Bytes of state per parameter that an optimizer holds, measured after a step on two linear layers of 512."""
    return _state_bytes(name, nn.Sequential(nn.Linear(512, 512, bias=False), nn.Linear(512, 512, bias=False)))


@functools.cache
def state_bytes_by_kind(name: str) -> dict[str, float]:
    """The same for each kind of parameter, on a layer that has no other."""
    return {
        "linear": state_bytes_per_parameter(name),
        "embedding": _state_bytes(name, nn.Embedding(512, 512)),
        "convolution": _state_bytes(name, nn.Conv2d(64, 64, 3, bias=False)),
        "vector": _state_bytes(name, nn.LayerNorm(512, bias=False)),
    }


@functools.cache
def acts_by_element(name: str) -> bool:
    """Whether an optimizer's steps are the same for a matrix and for its halves, each on its own; tried out."""
    whole = nn.Linear(6, 8, bias=False)
    halves = nn.ModuleList([nn.Linear(6, 4, bias=False) for _ in range(2)])
    rows = torch.linspace(-1, 1, 48).reshape(8, 6)
    with torch.no_grad():
        whole.weight.copy_(rows)
        for half, part in zip(halves.parameters(), (rows[:4], rows[4:]), strict=True):
            half.copy_(part)
    for module in (whole, halves):
        optimizer = build_optimizer(module, FitSettings(optimizer=name, learning_rate=0.1))
        for power in (1, 2):
            for param in module.parameters():
                param.grad = param.detach() ** power + 0.1
            optimizer.step()
    return torch.allclose(whole.weight, torch.cat([*halves.parameters()]))


def refuse_divided(name: str) -> None:
    """Raises `Unsupported` when the optimizer cannot train matrices of which every rank has a part."""
    if not acts_by_element(name):
        raise Unsupported(
            f"the optimizer {name} cannot train a divided matrix",
            where="strategy",
            why="its step of one element depends on others, which lie on other ranks",
            help="set strategy to zero1, or optimizer to adamw",
        )


def _state_bytes(name: str, module: nn.Module) -> float:
    optimizer = build_optimizer(module, FitSettings(optimizer=name))
    for param in module.parameters():
        param.grad = torch.ones_like(param)
    optimizer.step()
    held = sum(tensor.numel() * tensor.element_size() for tensor in optimizer_state(optimizer).values())
    return held / sum(param.numel() for param in module.parameters())


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


def _kind(param: Tensor, embedding: bool) -> str:
    if sum(size > 1 for size in param.shape) <= 1:
        return "vector"
    if embedding:
        return "embedding"
    return "linear" if param.dim() == 2 else "convolution"
