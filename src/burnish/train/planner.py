"""Which strategy a model needs: bytes per rank for each, and the least sharding that fits."""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functional_call

from burnish.core.doors import STRATEGIES
from burnish.core.errors import RecipeError, Unsupported
from burnish.core.machine import available_bytes
from burnish.core.noun import Noun
from burnish.data.split import Split
from burnish.train.memory import ModelSize, StateBytes, model_size
from burnish.train.optimizer import acts_by_element
from burnish.train.ranks import Ranks
from burnish.train.settings import FitSettings
from burnish.train.strategy import Strategy, strategy_called, twin

WHOLE = ("single", "ddp", "zero1")
"""Strategies that leave matrices whole, for optimizers whose step of one element depends on others."""


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
    """Every strategy that so many devices can run, the least sharding first; not those of an extra."""
    found: list[Strategy] = [STRATEGIES.get(name)() for name in STRATEGIES.names()]
    fitting = [item for item in found if not item.extra and (item.name == "single") == (devices == 1)]
    return [
        Plan(strategy=item.name, state=item.predict(size, devices), activations=activations)
        for item in sorted(fitting, key=lambda item: item.sharding)
    ]


def runnable(rows: list[Plan], optimizer: str) -> list[Plan]:
    """Those whose strategy the optimizer can work with."""
    return rows if acts_by_element(optimizer) else [row for row in rows if row.strategy in WHOLE]


def choose_strategy(
    settings: FitSettings, ranks: Ranks, module: nn.Module, split: Split, device: torch.device
) -> tuple[Strategy, str]:
    """The strategy of the settings, and why; `auto` is the least sharding that fits into the memory of every rank.

    Raises `RecipeError` when several ranks would train without knowing of each other or there are none to divide
    among, `MissingExtra` where the strategy needs a package that is not there.
    """
    name, reason = settings.strategy, f"{settings.strategy}: asked for"
    if name == "auto" and ranks.world == 1:
        name, reason = "single", "single: there is one rank"
    if name == "auto":
        kept = rank_activations(settings, ranks, module, split)
        room = rank_room(ranks, module, device)
        size = model_size(module, settings.optimizer)
        chosen, reason = automatic(size, settings.optimizer, ranks.world, room_bytes=room, activations=kept)
        name = ranks.text(chosen)
    if name == "single" and ranks.world > 1:
        refuse_single()
    if not dist.is_initialized():
        refuse_alone(name)
    return strategy_called(name), reason


def refuse_alone(strategy: str) -> None:
    """Raises `RecipeError` on a strategy that divides work among ranks, where there are none."""
    if strategy not in ("auto", "single"):
        raise RecipeError(
            f"the strategy {strategy} needs ranks", where="strategy", help="start them with --devices 2, or by torchrun"
        )


def refuse_single() -> None:
    """Raises `RecipeError`: ranks would train without knowing of each other."""
    raise RecipeError(
        "the strategy single is for one rank", where="strategy", help="set it to auto, ddp, zero1, zero2 or zero3"
    )


def automatic(
    size: ModelSize, optimizer: str, world: int, *, room_bytes: float, activations: float | None
) -> tuple[str, str]:
    """Name and reason of the least sharding that fits and that the optimizer can work with; of the most when none does.

    `room_bytes` is what one rank has, its copy of the model included; activations are left out where they are None.
    """
    rows = runnable(plans(size, devices=world, activations=activations), optimizer)
    chosen = least(rows, room_bytes)
    if chosen is None:
        last = min(rows, key=lambda row: row.total)
        return last.strategy, f"{last.strategy}: holds least; nothing fits into {room_bytes / 1e9:.2f} GB a rank"
    needs = f"{chosen.total / 1e9:.2f} of {room_bytes / 1e9:.2f} GB a rank"
    return chosen.strategy, f"{chosen.strategy}: the least sharding that fits, {needs}"


def rank_activations(settings: FitSettings, ranks: Ranks, module: nn.Module, split: Split) -> float | None:
    """Bytes of activations for a rank's rows of a batch; None where they cannot be told."""
    rows = np.arange(min(len(split), -(-settings.batch_size // ranks.world)))
    try:
        return activation_bytes(twin(module), split.batch(rows).inputs)
    except Unsupported:
        return None


def rank_room(ranks: Ranks, module: nn.Module, device: torch.device) -> float:
    """Bytes that every rank can have, with what the module takes already. All ranks call this."""
    return float(ranks.each(torch.tensor(_room(module, device), dtype=torch.float64)).min())


def _room(module: nn.Module, device: torch.device) -> float:
    """Bytes that this rank can have, with what the module takes already."""
    if device.type == "cuda":
        free = float(torch.cuda.mem_get_info(device)[0])
    else:
        free = available_bytes() / int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return free + sum(tensor.numel() * tensor.element_size() for tensor in (*module.parameters(), *module.buffers()))


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
    except RuntimeError as error:
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
