"""The ranks of `burnish optimize`: the first one runs the recipe, the others wait for its trainings."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from burnish.core.doors import PASSES
from burnish.core.errors import RecipeError, TrainingFailed, Unsupported
from burnish.core.files import digest
from burnish.core.progress import Silent
from burnish.passes.base import Context
from burnish.passes.distillation.recover import Recover, retrain
from burnish.passes.together import Body, Order, Team
from burnish.pipeline.keys import code_digest, start_key
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.surroundings import context_of
from burnish.train.ranks import Ranks
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload


def gather(
    ranks: Ranks, recipe: Recipe, workload: Workload, build: Callable[[], nn.Module], threads: int
) -> Team | None:
    """The team of a run, once the others have loaded the same rows; None when there are no others.

    The first rank calls this, the others `help_out`.
    """
    if ranks.world == 1:
        return None
    team = Team(ranks=ranks, idle=ranks.idle(), build=build, threads=_threads(threads))
    told = {
        "workload": recipe.workload,
        "settings": recipe.settings,
        "seed": recipe.seed,
        "threads": team.threads,
        "key": _key(workload, build()),
    }
    team.idle.text(json.dumps(told, default=str))
    return team


def help_out(ranks: Ranks) -> None:
    """Take part in every training of the first rank's run, until it has no more.

    Raises `RecipeError` when this rank has other rows, weights or code, and what the workload itself raises.
    """
    idle = ranks.idle()
    told = json.loads(idle.text(""))
    workload = get(told["workload"], **told["settings"])

    def build() -> nn.Module:
        torch.manual_seed(told["seed"])
        return workload.build().eval()

    torch.set_num_threads(told["threads"])
    if _key(workload, build()) != told["key"]:
        raise RecipeError(
            f"rank {ranks.rank} has other rows, weights or code than rank 0", help="give all ranks the same"
        )
    team = Team(ranks=ranks, idle=idle, build=build, threads=told["threads"])
    context = context_of(
        workload,
        fit=workload.fit,
        seed=told["seed"],
        machine="",
        threads=team.threads,
        target="",
        served=(),
        progress=Silent(),
    )
    with tempfile.TemporaryDirectory(prefix="burnish-rank-") as scratch:
        _follow(team, replace(context, ranks=ranks), Path(scratch))


def _follow(team: Team, context: Context, scratch: Path) -> None:
    while (order := team.wait()).kind != "end":
        module = team.receive()
        if order.kind == "teacher":
            context = replace(context, teacher=module)
            continue
        teacher = team.receive() if order.own_teacher else None
        place = scratch if order.saves else None
        now = replace(context, fit=order.fit or context.fit, seed=order.seed, scratch=place)
        try:
            _body(order)(module, now, teacher)
        except (RecipeError, TrainingFailed, Unsupported):
            continue  # all ranks raise these, and the first one decides what comes next


def _body(order: Order) -> Body[object]:
    """What the first rank calls, too."""
    if order.kind == "recover":
        return partial(retrain, settings=Recover.parse(order.settings), label=order.label)
    body: Body[object] = PASSES.get(order.kind).parse(order.settings).train
    return body


def _key(workload: Workload, module: nn.Module) -> str:
    return digest(start_key(workload, module), code_digest(__name__, "burnish.passes.kinds.fit"))


def _threads(count: int) -> int:
    """Of a training on this rank, when all ranks of this machine share `count`."""
    return max(1, count // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
