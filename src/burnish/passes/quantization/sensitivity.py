"""Which layers suffer most from rounding: error of each layer's output, quantized beside float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from burnish.model.variant import predict

Array = NDArray[Any]

_HEAVY = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.RNNBase)


def worst_first(quantized: nn.Module, original: nn.Module, inputs: Mapping[str, Tensor]) -> list[tuple[str, float]]:
    """Layer paths with their noise-to-signal ratio on these inputs, the noisiest first.

    The error of one layer contains what its predecessors hand on; a layer that adds much more than
    it was given is what the order brings up.
    """
    wanted, found = _outputs(original, inputs), _outputs(quantized, inputs)
    pairs = {name: (left.numpy(), found[name].numpy()) for name, left in wanted.items() if name in found}
    return noise_ratios(pairs)


def noise_ratios(pairs: Mapping[str, tuple[Array, Array]]) -> list[tuple[str, float]]:
    """Mean square of the difference over that of the first, by name, the largest first."""
    ratios = []
    for name, (left, right) in pairs.items():
        if right.shape != left.shape:
            continue
        power = float(np.square(left, dtype=np.float64).mean())
        noise = float(np.square(left.astype(np.float64) - right).mean())
        ratios.append((name, noise / max(power, 1e-30)))
    return sorted(ratios, key=lambda row: (-row[1], row[0]))


def _outputs(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_part: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                seen[name] = first.detach().clone()

        return hook

    handles = [p.register_forward_hook(keep(n)) for n, p in module.named_modules() if isinstance(p, _HEAVY)]
    try:
        with torch.no_grad():
            predict(module, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return seen
