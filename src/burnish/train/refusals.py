"""What cannot be trained as it was asked for, said before anything starts."""

from __future__ import annotations

from torch import nn

from burnish.core.errors import BadData, RecipeError, Unsupported
from burnish.data.split import Split
from burnish.model.fake_quant import has_nodes
from burnish.train.optimizer import refuse_divided
from burnish.train.planner import WHOLE, refuse_single
from burnish.train.samples import Samples
from burnish.train.settings import FitSettings


def refuse_call(split: Split, settings: FitSettings, samples: Samples, *, scored: bool) -> None:
    """Raises `BadData` without rows, `RecipeError` on patience without a score or a weighting that was not built."""
    if len(split) == 0:
        raise BadData("no training rows", help="give a split with rows")
    if settings.patience and not scored:
        raise RecipeError("patience needs a validation score", where="patience", help="set patience to 0")
    if settings.weighting and samples.weighting is None:
        raise RecipeError("the settings name a weighting, and none was built", where="weighting", help="give samples")


def refuse_on_ranks(*, weighted: bool, precision: str) -> None:
    """Raises `Unsupported` on what one rank would have to know of the others."""
    if weighted:
        raise Unsupported(
            "rows cannot be weighed on several ranks",
            where="weighting",
            why="a weighting remembers every row, and a rank sees only its own",
            help="leave weighting empty, or train on one rank",
        )
    if precision == "fp16":
        raise Unsupported(
            "fp16 cannot be trained on several ranks", where="precision", help="set precision to bf16 or fp32"
        )


def refuse_settings_on_ranks(settings: FitSettings) -> None:
    """Raises `Unsupported` or `RecipeError` on what several ranks cannot train, as far as the settings tell."""
    refuse_on_ranks(weighted=bool(settings.weighting), precision=settings.precision)
    if settings.strategy == "single":
        refuse_single()
    if settings.strategy not in ("auto", *WHOLE):
        refuse_divided(settings.optimizer)


def refuse_forward(module: nn.Module, settings: FitSettings) -> None:
    """Raises `Unsupported` on a forward pass that cannot be computed again."""
    if settings.checkpoint_activations and has_nodes(module):
        raise Unsupported(
            "training with the rounding cannot compute activations again",
            where="checkpoint_activations",
            why="fake-quantize nodes follow every operator as the model is called",
            help="set checkpoint_activations to false",
        )
