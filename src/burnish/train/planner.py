"""Which strategy a model needs: bytes per rank for each, and the least sharding that fits."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from burnish.core.doors import STRATEGIES
from burnish.core.errors import Unsupported
from burnish.core.noun import Noun
from burnish.train.memory import ModelSize, StateBytes
from burnish.train.strategy import Strategy


class Plan(Noun):
    """One strategy's bytes on the rank that holds most. `activations` is None where they cannot be told."""

    strategy: str
    state: StateBytes
    activations: float | None

    @property
    def total(self) -> float:
        """Everything at once."""
        return self.state.peak + (self.activations or 0.0)


def plans(size: ModelSize, *, devices: int, activations: float | None) -> list[Plan]:
    """Every strategy that so many devices can run, the least sharding first."""
    found: list[Strategy] = [STRATEGIES.get(name)() for name in STRATEGIES.names()]
    fitting = [item for item in found if (item.name == "single") == (devices == 1)]
    return [
        Plan(strategy=item.name, state=item.predict(size, devices), activations=activations)
        for item in sorted(fitting, key=lambda item: item.sharding)
    ]


def least(rows: list[Plan], memory_bytes: float) -> Plan | None:
    """The first plan that fits; None when none does."""
    return next((row for row in rows if row.total <= memory_bytes), None)


def on_meta(module: nn.Module) -> nn.Module:
    """A copy without memory."""
    found: nn.Module = copy.deepcopy(module).to("meta")
    return found


def activation_bytes(module: nn.Module, inputs: Mapping[str, Tensor]) -> float:
    """Bytes that a forward pass keeps for the backward pass; fp32 as the module is, which may be on the meta device.

    Counted on tensors without memory that say they are on the processor, where attention is fused as on a GPU; on the
    meta device it would keep every score. Raises `Unsupported` when the module cannot run so, as where it looks at
    values.
    """
    kept: dict[int, Any] = {}
    hollow = FakeTensorMode(allow_non_fake_inputs=True)
    with hollow:
        state = {name: _hollow(tensor) for name, tensor in (*module.named_parameters(), *module.named_buffers())}
        given = {name: _hollow(tensor) for name, tensor in inputs.items()}
    own = {_storage(tensor) for tensor in state.values()}

    def keep(tensor: Tensor) -> Tensor:
        if _storage(tensor) not in own:
            kept[_storage(tensor)] = tensor.untyped_storage()
        return tensor

    try:
        with hollow, torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            outputs = functional_call(module.train(), state, kwargs=given)
    except (RuntimeError, NotImplementedError) as error:
        raise Unsupported("the activations cannot be counted", why=str(error).splitlines()[0]) from None
    del outputs
    return float(sum(storage.nbytes() for storage in kept.values()))


def _hollow(tensor: Tensor) -> Tensor:
    """The same on the processor, within a mode that allocates nothing."""
    made = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="cpu")
    return made.requires_grad_(tensor.requires_grad)


def _storage(tensor: Tensor) -> int:
    found: int = tensor.untyped_storage()._cdata
    return found
