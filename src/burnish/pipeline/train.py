"""The first `fit` of a recipe, alone and on any number of ranks; its outcome goes where a run looks for it."""

from __future__ import annotations

from dataclasses import replace

import torch

from burnish.core.errors import RecipeError
from burnish.core.progress import Progress
from burnish.model.variant import Variant
from burnish.passes.base import Outcome
from burnish.pipeline.keys import stage_key
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.setup import Setup
from burnish.train.ranks import Ranks
from burnish.workloads.workload import Workload


def train(recipe: Recipe, workload: Workload, *, strategy: str, ranks: Ranks, progress: Progress) -> Outcome | None:
    """Train as the recipe's first pass says and store the outcome under its key; None when it is stored already.

    All ranks call this. Raises `RecipeError` when the first pass is no training or a rank has other data or code.
    """
    setup = Setup(recipe=recipe, workload=workload, progress=progress)
    if not setup.passes or not setup.passes[0].trains:
        raise RecipeError("the recipe does not begin with a training", where="passes", help="begin with `- fit`")
    context = setup.context()
    key = stage_key(setup.first_key(), recipe.passes[0].name, setup.passes[0], context)
    if ranks.text(key) != key:
        raise RecipeError(f"rank {ranks.rank} has other rows, weights or code than rank 0", help="give all the same")
    if ranks.text("cached" if key in setup.cache else ""):
        return None
    if strategy not in ("auto", "single") and ranks.world == 1:
        raise RecipeError(
            f"the strategy {strategy} needs ranks", where="strategy", help="start them with --devices 2, or by torchrun"
        )
    torch.manual_seed(recipe.seed)
    fit = context.fit.model_copy(update={"strategy": strategy})
    first = setup.passes[0]
    if strategy != "auto" and "strategy" in type(first).model_fields:
        first = first.model_copy(update={"strategy": strategy})
    outcome = first(
        Variant(module=setup.build()), replace(context, fit=fit, scratch=setup.cache.scratch(key), ranks=ranks)
    )
    if ranks.first:
        setup.cache.store(key, outcome, float(outcome.notes.get("seconds", 0.0)))
    return outcome
