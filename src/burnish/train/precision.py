"""In which number format to train: fp32, or bf16 autocast where the hardware multiplies bf16 fast.

Weights, optimizer state and losses stay fp32; autocast only lowers convolutions and matrix
products. bf16 has the exponent range of fp32, so no loss scaling is needed.
"""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from burnish.core.machine import fingerprint

Setting = Literal["auto", "fp32", "bf16"]


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The chosen format, and why."""

    name: Literal["fp32", "bf16"]
    reason: str
    device: str

    def autocast(self) -> AbstractContextManager[object]:
        """A fresh context for one forward pass."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device, dtype=torch.bfloat16)


def choose_precision(setting: Setting, device: torch.device, *, isa: tuple[str, ...] | None = None) -> Precision:
    """The format for `device`. `isa` are the processor's instruction sets; by default this machine's."""
    if setting != "auto":
        return Precision(name=setting, reason=f"{setting}: asked for", device=device.type)
    if device.type == "cuda":
        capable = torch.cuda.is_bf16_supported(including_emulation=False)
        reason = "bf16: the GPU multiplies it" if capable else "fp32: the GPU has no bf16"
        return Precision(name="bf16" if capable else "fp32", reason=reason, device="cuda")
    if device.type == "cpu":
        capable = "amx_bf16" in (fingerprint().isa if isa is None else isa)
        reason = "bf16: the processor has amx_bf16" if capable else "fp32: the processor has no amx_bf16"
        return Precision(name="bf16" if capable else "fp32", reason=reason, device="cpu")
    return Precision(name="fp32", reason=f"fp32: bf16 was never tried on {device.type}", device=device.type)
