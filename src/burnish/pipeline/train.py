"""The first `fit` of a recipe, alone and on any number of ranks; its outcome goes where a run looks for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from burnish.core.errors import RecipeError
from burnish.core.progress import Progress
from burnish.model.variant import Variant
from burnish.passes.base import Outcome
from burnish.pipeline.keys import stage_key
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.run import Run
from burnish.train.ranks import Ranks
from burnish.workloads.workload import Workload


def train(recipe: Recipe, workload: Workload, *, strategy: str, ranks: Ranks, progress: Progress) -> Outcome | None:
    """Train as the recipe's first pass says and store the outcome under its key; None when it is stored already.

    All ranks call this. Raises `RecipeError` when the first pass is no training or a rank has other data or code.
    """
    run = Run(recipe=recipe, workload=workload, out=Path(), progress=progress)
    if not run.passes or not run.passes[0].trains:
        raise RecipeError("the recipe does not begin with a training", where="passes", help="begin with `- fit`")
    context = run.context()
    key = stage_key(run.first_key(), recipe.passes[0].name, run.passes[0], context)
    if ranks.text(key) != key:
        raise RecipeError(f"rank {ranks.rank} has other rows, weights or code than rank 0", help="give all the same")
    if ranks.text("cached" if key in run.cache else ""):
        return None
    torch.manual_seed(recipe.seed)
    fit = context.fit.model_copy(update={"strategy": strategy})
    told = replace(context, fit=fit, scratch=run.cache.scratch(key), ranks=ranks)
    outcome = run.passes[0](Variant(module=run.build()), told)
    if ranks.first:
        run.cache.store(key, outcome, float(outcome.notes.get("seconds", 0.0)))
    return outcome
