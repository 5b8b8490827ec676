"""What a model weighs: parameters, multiply-accumulates, bytes of weights and of files."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from burnish.model.fake_quant import own_parameters
from burnish.model.variant import predict


def parameters(module: nn.Module) -> int:
    """Number of parameters; one that is shared counts once, ranges of fake-quantize nodes do not count."""
    return sum(parameter.numel() for parameter in own_parameters(module))


def weights_bytes(module: nn.Module) -> int:
    """Bytes of parameters and buffers as they lie in memory; shared ones count once."""
    tensors = {id(tensor): tensor for tensor in (*module.parameters(), *module.buffers())}
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())


def macs(module: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    """Multiply-accumulates of one forward pass on these inputs, in convolutions and matrix products.

    Counted by torch's FlopCounterMode, which takes one multiply-accumulate as two operations.
    oneDNN and fused attention are off while counting: the counter does not know their operators.
    """
    with warnings.catch_warnings(), FlopCounterMode(display=False) as counter:
        warnings.filterwarnings("ignore", "TF32 acceleration on top of oneDNN")
        with torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            predict(module, inputs)
    return int(counter.get_total_flops()) // 2


def folder_bytes(path: Path) -> int:
    """Bytes of all files in a folder and below it."""
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
