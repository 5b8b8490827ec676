"""What a training run holds in memory, predicted from shapes alone and measured on live tensors.

A model on the meta device is enough for the prediction: nothing is allocated, so ten billion parameters take seconds.
Bytes of optimizer state per parameter are measured for each kind of parameter on small layers (`train.optimizer`).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

from torch import Tensor, nn
from torch.optim import Optimizer

from burnish.core.noun import Noun
from burnish.train.optimizer import optimizer_state, state_bytes_by_kind, trainable_by_kind
from burnish.train.units import units


class Weight(Noun):
    """One parameter. `unit` numbers the block it belongs to, which is gathered as one; 0 is everything outside blocks.

    `state_bytes` is what the optimizer keeps for it; 0 when it is frozen.
    """

    name: str
    shape: tuple[int, ...]
    bytes: int
    unit: int
    trainable: bool
    state_bytes: float

    def part(self, world: int) -> float:
        """The largest share of it that one rank of `world` holds when its first dimension is divided."""
        first = self.shape[0] if self.shape else 1
        return -(-first // world) / first if first else 0.0


class ModelSize(Noun):
    """A model's parameters and the bytes of its buffers."""

    weights: tuple[Weight, ...]
    buffer_bytes: int

    @property
    def parameters(self) -> int:
        """Number of parameters."""
        count = 0
        for weight in self.weights:
            size = 1
            for dim in weight.shape:
                size *= dim
            count += size
        return count


class StateBytes(Noun):
    """Bytes of model state on one rank.

    `gathered` is what a sharded model puts together for a while: parameters and gradients of blocks at work.
    """

    parameters: float
    gradients: float
    optimizer: float
    gathered: float = 0.0

    @property
    def lasting(self) -> float:
        """What stays from step to step."""
        return self.parameters + self.gradients + self.optimizer

    @property
    def peak(self) -> float:
        """What there is at most, but for activations."""
        return self.lasting + self.gathered


def model_size(module: nn.Module, optimizer: str) -> ModelSize:
    """Sizes of a module (on the meta device or a real one) that the named optimizer trains."""
    per_parameter = state_bytes_by_kind(optimizer)
    kinds = {id(param): kind for kind, params in trainable_by_kind(module).items() for param in params}
    homes: dict[int, int] = {}
    for number, unit in enumerate(units(module), start=1):
        homes |= {id(param): number for param in unit.parameters()}
    weights = tuple(
        Weight(
            name=name,
            shape=tuple(param.shape),
            bytes=param.numel() * param.element_size(),
            unit=homes.get(id(param), 0),
            trainable=param.requires_grad,
            state_bytes=param.numel() * per_parameter[kinds[id(param)]] if id(param) in kinds else 0.0,
        )
        for name, param in module.named_parameters()
    )
    return ModelSize(weights=weights, buffer_bytes=_bytes(module.buffers()))


def replicated(size: ModelSize) -> StateBytes:
    """Every rank holds everything."""
    return StateBytes(
        parameters=sum(w.bytes for w in size.weights) + size.buffer_bytes,
        gradients=sum(w.bytes for w in size.weights if w.trainable),
        optimizer=sum(w.state_bytes for w in size.weights),
    )


def divided(size: ModelSize, world: int) -> StateBytes:
    """Every parameter is divided along its first dimension, with its gradient and its state."""
    return StateBytes(
        parameters=sum(w.bytes * w.part(world) for w in size.weights) + size.buffer_bytes,
        gradients=sum(w.bytes * w.part(world) for w in size.weights if w.trainable),
        optimizer=sum(w.state_bytes * w.part(world) for w in size.weights),
    )


def unit_bytes(size: ModelSize) -> list[float]:
    """Bytes of the parameters of every block, and first of what lies outside of blocks."""
    count = 1 + max((w.unit for w in size.weights), default=0)
    return [float(sum(w.bytes for w in size.weights if w.unit == number)) for number in range(count)]


def measured_state(work: nn.Module, optimizer: Optimizer, local: Callable[[Tensor], Tensor]) -> StateBytes:
    """Bytes of the tensors that lie on this rank, after a step and before its gradients are dropped.

    `local` gives the part of a tensor that lies here. Copies of parameters that an optimizer keeps count as parameters.
    """
    own = {id(param) for param in work.parameters()}
    copies = [p for group in optimizer.param_groups for p in group["params"] if id(p) not in own]
    params = [local(param.detach()) for param in (*work.parameters(), *copies)]
    grads = [local(param.grad) for param in work.parameters() if param.grad is not None]
    return StateBytes(
        parameters=_bytes(itertools.chain(params, work.buffers())),
        gradients=_bytes(grads),
        optimizer=_bytes(map(local, optimizer_state(optimizer).values())),
    )


def beside(predicted: StateBytes, measured: StateBytes) -> str:
    """What was foreseen beside what there is."""
    return f"model state of a rank {predicted.lasting / 1e6:.2f} MB predicted, {measured.lasting / 1e6:.2f} MB measured"


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
