"""In which number format to train: fp32, or bf16 or fp16 autocast where the hardware multiplies it.

Weights, optimizer state and losses stay fp32; autocast only lowers convolutions and matrix products. bf16 has the
exponent range of fp32; fp16 has not, so its losses are scaled up and a step whose gradients overflow is skipped
(Micikevicius et al., ICLR 2018). A lower format is not always faster: small models wait for launches, and casts are
more of them. So `auto` takes it only where a trial of both was at least 3 % faster (see `trial`).
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Literal

import torch

from burnish.core.machine import fingerprint
from burnish.train.ranks import Ranks

Name = Literal["fp32", "bf16", "fp16"]
Setting = Literal["auto", "fp32", "bf16", "fp16"]
Trial = Callable[[Sequence[Name]], Mapping[Name, Sequence[float]]]
"""Formats -> seconds of a training step in each, one per round; rounds of all formats are interleaved."""

_FASTER = 1.03
_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, kw_only=True)
class Precision:
    """The chosen format, and why."""

    name: Name
    reason: str
    device: str

    def autocast(self) -> AbstractContextManager[object]:
        """A fresh context for one forward pass."""
        if self.name == "fp32":
            return nullcontext()
        return torch.autocast(self.device, dtype=_DTYPES[self.name])

    def scaler(self) -> torch.amp.GradScaler:
        """What scales losses; it does nothing unless the format is fp16."""
        return torch.amp.GradScaler(self.device, enabled=self.name == "fp16")


def choose_precision(
    setting: Setting,
    device: torch.device,
    trial: Trial | None = None,
    *,
    rounded: bool = False,
    world: int = 1,
    divided: bool = False,
    isa: tuple[str, ...] | None = None,
) -> Precision:
    """The format for `device`; `auto` without a trial is fp32, and so it is for a `rounded` module, one with
    fake-quantize nodes: a lower format would round what comes out of them once more. `world` ranks train together;
    a model that is `divided` among them is not tried, since it may not fit whole: its products are large enough.

    `isa` are the processor's instruction sets; by default this machine's.
    """
    if setting != "auto":
        return Precision(name=setting, reason=f"{setting}: asked for", device=device.type)
    if rounded:
        return Precision(name="fp32", reason="fp32: bf16 rounds as coarsely as INT8 does", device=device.type)
    lower, lacks = _capable(device, fingerprint().isa if isa is None else isa)
    if lower is None:
        return Precision(name="fp32", reason=f"fp32: {lacks}", device=device.type)
    if lower == "fp16" and world > 1:
        reason = "fp32: the device has no bf16, and several ranks cannot train in fp16"
        return Precision(name="fp32", reason=reason, device=device.type)
    if divided:
        return Precision(name=lower, reason=f"{lower}: the model is divided among the ranks", device=device.type)
    if trial is None:
        return Precision(name="fp32", reason=f"fp32: too few steps to try {lower}", device=device.type)
    seconds = trial(("fp32", lower))
    ratios = [full / half for full, half in zip(seconds["fp32"], seconds[lower], strict=True)]
    ratio = statistics.median(ratios)
    name: Name = lower if ratio >= _FASTER else "fp32"
    reason = f"{name}: a step in {lower} is {ratio:.2f}x [{min(ratios):.2f}, {max(ratios):.2f}] as fast as in fp32"
    return Precision(name=name, reason=reason, device=device.type)


def agreed(found: Precision | None, ranks: Ranks, device: torch.device) -> Precision:
    """What the first rank found; the others give None and wait for it."""
    told = ranks.text("" if found is None else json.dumps([found.name, found.reason]))
    name, reason = json.loads(told)
    return Precision(name=name, reason=reason, device=device.type)


def _capable(device: torch.device, isa: tuple[str, ...]) -> tuple[Name | None, str]:
    """The lower format that the device multiplies, or None and why."""
    if device.type == "cuda":
        return ("bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"), ""
    if device.type == "cpu":
        fast = {"amx_bf16", "avx512_bf16"} & set(isa)
        return ("bf16", "") if fast else (None, "the processor has neither amx_bf16 nor avx512_bf16")
    return None, f"no other format was ever tried on {device.type}"
