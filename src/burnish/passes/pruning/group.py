"""A group: channels of several layers that can only be removed together."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

CONVS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
NORMS = (nn.modules.batchnorm._BatchNorm, nn.LayerNorm, nn.GroupNorm)


@dataclass(frozen=True)
class Member:
    """One layer's part in a group: `side` "out" loses output channels, "in" input channels.

    `index` and `channel` are int64 [K]: entry k of the layer's dimension belongs to channel
    `channel[k]` of the root (several entries per channel after a flatten).
    """

    name: str
    layer: nn.Module
    side: str
    index: Tensor
    channel: Tensor


@dataclass(frozen=True)
class Group:
    """Coupled channels. They go in blocks of `block` neighbours (a head is one block).

    `stream` marks a group that runs through several blocks of the network by additions. `fused`
    marks heads whose queries, keys and values are rows of one layer; Torch-Pruning does not know these.
    `branch` marks a group whose only reader adds to a stream: it may go whole, when `spread` with a constant
    of the full size in its place.
    """

    name: str
    kind: str
    channels: int
    block: int
    members: tuple[Member, ...]
    stream: bool
    fused: bool = False
    branch: bool = False
    spread: bool = False

    @property
    def num_blocks(self) -> int:
        """How many units can be removed one by one."""
        return self.channels // self.block

    @property
    def shape_key(self) -> str:
        """Groups with the same key are alike: same kinds and sizes of layers."""
        rows = sorted(f"{m.side}:{type(m.layer).__name__}:{_weight_shape(m.layer)}" for m in self.members)
        return f"{self.kind}:{self.channels}:{self.block}:" + ",".join(rows)

    def producers(self) -> list[Member]:
        """Convolutions and linear layers whose outputs the channels are."""
        return [m for m in self.members if m.side == "out" and isinstance(m.layer, (*CONVS, nn.Linear, nn.Embedding))]

    def consumers(self) -> list[Member]:
        """Layers that read the channels."""
        return [m for m in self.members if m.side == "in" and not isinstance(m.layer, NORMS)]

    def norms(self) -> list[Member]:
        """Normalization layers with one scale per channel."""
        return [m for m in self.members if isinstance(m.layer, NORMS)]


def is_grouped(layer: nn.Module) -> bool:
    """A convolution in groups of several channels each."""
    return isinstance(layer, CONVS) and layer.groups > 1 and not is_depthwise(layer)


def is_depthwise(layer: nn.Module) -> bool:
    """A convolution that keeps its channels apart."""
    return isinstance(layer, CONVS) and layer.groups > 1 and layer.groups == layer.in_channels == layer.out_channels


def is_norm(layer: nn.Module) -> bool:
    """A normalization with one scale per channel."""
    return isinstance(layer, NORMS)


def _weight_shape(layer: nn.Module) -> str:
    weight = getattr(layer, "weight", None)
    return "x".join(map(str, weight.shape)) if isinstance(weight, Tensor) else ""
