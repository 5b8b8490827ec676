"""`burnish train`: the training of a recipe, on ranks that torchrun started, or that start here or on a cluster."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Any

import torch

from burnish.cli.optimize import prepare
from burnish.cli.ranks import on_a_rank, told_once
from burnish.cli.terminal.bars import RichProgress
from burnish.core.errors import UnknownName, did_you_mean
from burnish.core.machine import fingerprint
from burnish.core.progress import Progress, Silent
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.train import train as train_recipe
from burnish.train.launch import launch
from burnish.train.planner import refuse_alone
from burnish.train.ranks import Ranks, joined
from burnish.train.strategy import strategy_called
from burnish.workloads.workload import Workload

_CLUSTERS = ("ray",)


def train(
    target: str,
    *,
    data: str | None,
    overrides: tuple[str, ...],
    seed: int | None,
    device: str | None,
    strategy: str,
    devices: int,
    restarts: int,
    on: str | None,
) -> None:
    """Body of the command. Raises `BurnishError`."""
    given: dict[str, Any] = {"data": data, "overrides": overrides, "seed": seed, "device": device}
    if strategy != "auto":
        strategy_called(strategy)  # so that what it lacks is told once
    if on is not None:
        _launch_on(on, target, given, strategy, devices, restarts)
        return
    if devices > 1 and not on_a_rank():
        prepare(target, **given)  # so that a mistake is told once
        launch(["-m", "burnish", *sys.argv[1:]], devices=devices, restarts=restarts)
        return
    with joined("auto" if device is None else device) as ranks, told_once(ranks):  # type: ignore[arg-type]
        recipe, workload = prepare(target, **given, quiet=not ranks.first)
        _use_threads(recipe, ranks)
        with RichProgress() as progress:
            text = _train(recipe, workload, strategy, ranks, progress)
        if ranks.first:
            print(f"{text}\n{_next(target)}")


def _launch_on(on: str, target: str, given: dict[str, Any], strategy: str, devices: int, restarts: int) -> None:
    if on not in _CLUSTERS:
        raise UnknownName(f"unknown engine {on!r}", where="--on", help=did_you_mean(on, _CLUSTERS))
    from burnish.train.on_ray import launch as launch_on_ray

    recipe, _ = prepare(target, **given)  # so that a mistake is told once
    with RichProgress() as progress:
        text = launch_on_ray(
            partial(_on_rank, target=target, given=given, strategy=strategy),
            devices=devices,
            restarts=restarts,
            device=recipe.device,
            threads=recipe.threads or 0,
            progress=progress,
        )
    print(f"{text}\n{_next(target)}")


def _on_rank(progress: Progress, threads: int, *, target: str, given: dict[str, Any], strategy: str) -> str:
    """What each rank on a cluster does."""
    with joined() as ranks:
        recipe, workload = prepare(target, **given)
        torch.set_num_threads(threads)
        return _train(recipe, workload, strategy, ranks, progress)


def _use_threads(recipe: Recipe, ranks: Ranks) -> None:
    if ranks.world > 1:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(recipe.threads or max(1, fingerprint().cores // here))


def _train(recipe: Recipe, workload: Workload, strategy: str, ranks: Ranks, progress: Progress) -> str:
    """Train; what came out, in a line. A recipe's strategy is for where there are ranks, a command's is meant."""
    if ranks.world == 1:
        refuse_alone(strategy)
    told = progress if ranks.first else Silent()
    outcome = train_recipe(recipe, workload, strategy=strategy, ranks=ranks, progress=told)
    if outcome is None:
        return f"{workload.title}: trained already, in the cache"
    notes = outcome.notes
    best = notes["scores"][notes["best epoch"]] if notes["best epoch"] is not None else None
    return f"{workload.title}: {notes['epochs']:g} epochs in {notes['seconds']} s on {ranks.world} ranks, score {best}"


def _next(target: str) -> str:
    return f"next: burnish optimize {target}   # goes on from these weights"
