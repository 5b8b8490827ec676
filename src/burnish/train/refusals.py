"""What cannot be trained as it was asked for, said before anything starts."""

from __future__ import annotations

import torch
from torch import nn

from burnish.backends.backend import Availability
from burnish.core.doors import BACKENDS
from burnish.core.errors import BadData, RecipeError, Unsupported
from burnish.data.split import Split
from burnish.model.fake_quant import has_nodes
from burnish.train.optimizer import refuse_divided
from burnish.train.planner import WHOLE, refuse_single
from burnish.train.samples import Samples
from burnish.train.settings import AUTO, FitSettings
from burnish.train.strategy import strategy_called


def refuse_call(split: Split, settings: FitSettings, samples: Samples, *, scored: bool) -> None:
    """Raises `BadData` without rows, `RecipeError` on patience without a score or a weighting that was not built."""
    if len(split) == 0:
        raise BadData("no training rows", help="give a split with rows")
    if settings.patience and not scored:
        raise RecipeError("patience needs a validation score", where="patience", help="set patience to 0")
    if settings.weighting and samples.weighting is None:
        raise RecipeError("the settings name a weighting, and none was built", where="weighting", help="give samples")


def refuse_on_ranks(*, precision: str) -> None:
    """Raises `Unsupported` on fp16, whose scale each rank would have to agree on with the others."""
    if precision == "fp16":
        raise Unsupported(
            "fp16 cannot be trained on several ranks", where="precision", help="set precision to bf16 or fp32"
        )


def refuse_settings_on_ranks(settings: FitSettings) -> None:
    """Raises `Unsupported` or `RecipeError` on what several ranks cannot train, as far as the settings tell.

    `MissingExtra` where the strategy needs a package that is not there.
    """
    refuse_on_ranks(precision=settings.precision)
    if settings.strategy == "single":
        refuse_single()
    if settings.strategy != "auto":
        strategy_called(settings.strategy)
    if settings.strategy not in ("auto", *WHOLE) and settings.optimizer != AUTO:
        refuse_divided(settings.optimizer)
    refuse_compiled_ranks(settings)


def refuse_with_rounding(settings: FitSettings) -> None:
    """Raises `Unsupported` on what fake-quantize nodes cannot go along with."""
    named = next((name for name in ("compile", "checkpoint_activations") if getattr(settings, name)), None)
    if named is not None:
        raise Unsupported(
            "training with the rounding can neither be compiled nor compute activations again",
            where=named,
            why="fake-quantize nodes follow every operator as the model is called",
            help=f"set {named} to false",
        )


def refuse_compiled_ranks(settings: FitSettings) -> None:
    """Raises `Unsupported` on several ranks that are to train compiled."""
    if settings.compile:
        raise Unsupported(
            "several ranks cannot train compiled",
            where="compile",
            why="no strategy was tried with it",
            help="set compile to false, or train on one rank",
        )


def refuse_forward(module: nn.Module, settings: FitSettings, *, world: int, device: torch.device) -> None:
    """Raises `Unsupported` on a forward pass that can be neither computed again nor compiled."""
    if has_nodes(module):
        refuse_with_rounding(settings)
    if not settings.compile:
        return
    if world > 1:
        refuse_compiled_ranks(settings)
    state: Availability = BACKENDS.get("inductor").available()
    if device.type == "cpu" and not state.ok:
        raise Unsupported(state.reason, where="compile", help=f"{state.help}, or set compile to false")
