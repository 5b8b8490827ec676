"""What a choice of widths costs: parameters, multiply-adds, or measured milliseconds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from burnish.model.variant import predict
from burnish.passes.pruning.group import Group


@dataclass(frozen=True)
class LayerCost:
    """Cost of one layer at full width, and the groups it shrinks with (one entry per side)."""

    full: float
    groups: tuple[str, ...]


class ProductCost:
    """Cost as a sum over layers, each proportional to the kept share of its groups.

    Exact for parameters of weights, and for multiply-adds of convolutions and linear layers; what
    depends on no group is a constant.
    """

    def __init__(self, layers: Sequence[LayerCost], blocks: Mapping[str, int]) -> None:
        self._layers = [layer for layer in layers if layer.groups]
        self._fixed = sum(layer.full for layer in layers if not layer.groups)
        self._blocks = dict(blocks)

    def __call__(self, widths: Mapping[str, int]) -> float:
        """Cost when each group keeps that many blocks; groups not named keep all."""
        share = {name: widths.get(name, full) / full for name, full in self._blocks.items()}
        total = self._fixed
        for layer in self._layers:
            value = layer.full
            for name in layer.groups:
                value *= share[name]
            total += value
        return total


class TableCost:
    """Milliseconds from a table measured group by group, times taken to add up.

    `table[name]` maps a width in blocks to the milliseconds saved against full width; between two
    measured widths the line between them is taken, but nothing leads to 0, where the layers are gone.
    """

    def __init__(self, full_ms: float, table: Mapping[str, Mapping[int, float]], blocks: Mapping[str, int]) -> None:
        self.full_ms = full_ms
        self._points = {name: sorted({**rows, blocks[name]: 0.0}.items()) for name, rows in table.items()}

    def __call__(self, widths: Mapping[str, int]) -> float:
        """Predicted milliseconds; groups not named keep all."""
        return self.full_ms - sum(self._saved(name, width) for name, width in widths.items() if name in self._points)

    def _saved(self, name: str, width: int) -> float:
        points = self._points[name]
        if width > 0:
            points = [point for point in points if point[0] > 0]
        if width <= points[0][0]:
            return points[0][1]
        for (low, low_ms), (high, high_ms) in itertools.pairwise(points):
            if low <= width <= high:
                return low_ms + (high_ms - low_ms) * (width - low) / (high - low)
        return 0.0


def parameter_costs(module: nn.Module, groups: Sequence[Group]) -> list[LayerCost]:
    """Parameters of each layer, with the groups that shrink it."""
    inside = _groups_of(groups)
    costs = []
    for name, part in module.named_modules():
        count = sum(p.numel() for p in part.parameters(recurse=False))
        if count:
            costs.append(LayerCost(float(count), inside.get(name, ())))
    return costs


def mac_costs(module: nn.Module, groups: Sequence[Group], inputs: Mapping[str, Tensor]) -> list[LayerCost]:
    """Multiply-adds of each layer on these inputs, with the groups that shrink it."""
    inside = _groups_of(groups)
    counter = FlopCounterMode(display=False)
    with counter:
        predict(module, inputs)
    root = type(module).__name__
    leaves = {name for name, part in module.named_modules() if name and not any(part.children())}
    costs = []
    for path, by_op in counter.get_flop_counts().items():
        name = path.removeprefix(f"{root}.")
        if name in leaves and by_op:
            costs.append(LayerCost(sum(by_op.values()) / 2, inside.get(name, ())))
    return costs


def _groups_of(groups: Sequence[Group]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for group in groups:
        for member in group.members:
            found[member.name] = (*found.get(member.name, ()), group.name)
    return found
