"""`burnish train`: the training of a recipe, on the ranks that torchrun started or on some that are started here."""

from __future__ import annotations

import os
import sys

import torch

from burnish.cli.console import RichProgress
from burnish.cli.optimize import prepare
from burnish.cli.ranks import on_a_rank, told_once
from burnish.core.machine import fingerprint
from burnish.core.progress import Progress, Silent
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.train import train as train_recipe
from burnish.train.launch import launch
from burnish.train.ranks import Ranks, joined
from burnish.workloads.workload import Workload


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
) -> None:
    """Body of the command. Raises `BurnishError`."""
    if devices > 1 and not on_a_rank():
        prepare(target, data=data, overrides=overrides, seed=seed, device=device)  # so that a mistake is told once
        launch(["-m", "burnish", *sys.argv[1:]], devices=devices, restarts=restarts)
        return
    with joined("auto" if device is None else device) as ranks, told_once(ranks):  # type: ignore[arg-type]
        recipe, workload = prepare(
            target, data=data, overrides=overrides, seed=seed, device=device, quiet=not ranks.first
        )
        _train(recipe, workload, strategy, ranks)
        if ranks.first:
            print(f"next: burnish optimize {target}   # goes on from these weights")


def _train(recipe: Recipe, workload: Workload, strategy: str, ranks: Ranks) -> None:
    if ranks.world > 1:
        here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
        torch.set_num_threads(recipe.threads or max(1, fingerprint().cores // here))
    if not ranks.first:
        train_recipe(recipe, workload, strategy=strategy, ranks=ranks, progress=Silent())
        return
    with RichProgress() as progress:
        told: Progress = progress
        outcome = train_recipe(recipe, workload, strategy=strategy, ranks=ranks, progress=told)
    if outcome is None:
        print(f"{workload.title}: trained already, in the cache")
        return
    notes = outcome.notes
    best = notes["scores"][notes["best epoch"]] if notes["best epoch"] is not None else None
    print(f"{workload.title}: {notes['epochs']:g} epochs in {notes['seconds']} s on {ranks.world} ranks, score {best}")
