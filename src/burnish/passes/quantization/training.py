"""Training with the rounding in place, from where calibration left it, the float model as teacher."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

from burnish.model import fake_quant
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.quantization import nodes
from burnish.passes.quantization.fallback import Rounded
from burnish.train.device import choose_device
from burnish.train.settings import FitSettings

_GENTLE = 1 / 20
"""Of the workload's learning rate: with larger ones fashion-mnist ends lower (LOG.md, 2026-11-27)."""


def gently(settings: Recover, base: FitSettings) -> Recover:
    """The settings with a learning rate. Raises `RecipeError` as their `fit_settings` does."""
    if settings.learning_rate:
        return settings
    settings.fit_settings(base)
    return settings.model_copy(update={"learning_rate": base.learning_rate * _GENTLE})


def with_rounding(
    calibrated: Rounded, variant: Variant, context: Context, settings: Recover
) -> tuple[Rounded, dict[str, Any]]:
    """A trained copy of what was calibrated from `variant`, which teaches it where the context has no teacher.

    And what happened, as `recover` tells it.
    """
    module = copy.deepcopy(calibrated.module)
    rounded = Variant(module=module, records=(*variant.records, nodes.record(module)), precision="int8")
    teacher = variant if context.teacher is None else None
    notes = recover(rounded, _trainable(context), settings, label="train int8", teacher=teacher)
    return Rounded(module, context.score(module), calibrated.float_layers), notes


def _trainable(context: Context) -> Context:
    """The context, with a device that can train the rounding."""
    device = choose_device(context.fit.device)
    why = fake_quant.missing_on(device.type)
    if not why:
        return context
    context.progress.say(f"training with the rounding on the processor: {why}")
    return replace(context, fit=context.fit.model_copy(update={"device": "cpu"}))
