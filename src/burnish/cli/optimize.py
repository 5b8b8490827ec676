"""`burnish optimize`: a recipe, a workload or a model in, an artifact and a report out."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from burnish.cli.ranks import on_a_rank, told_once
from burnish.cli.terminal.bars import RichProgress
from burnish.cli.terminal.console import print_headline, print_note, print_plan, print_table
from burnish.core.machine import fingerprint
from burnish.core.progress import Silent
from burnish.core.yaml_file import to_yaml
from burnish.pipeline.compose import compose
from burnish.pipeline.recipe import Recipe, apply_override, load_recipe, recipe_from
from burnish.pipeline.run import Run
from burnish.pipeline.setup import Setup
from burnish.pipeline.shipped import shipped_recipes
from burnish.pipeline.team import help_out
from burnish.report.html import render
from burnish.report.summary import headline, table
from burnish.train.device import Device
from burnish.train.ranks import Ranks, joined
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload


def optimize(
    target: str,
    *,
    data: str | None,
    budget: str | None,
    overrides: tuple[str, ...],
    out: Path | None,
    seed: int | None,
    threads: int | None,
    device: str | None,
    devices: int | None,
    restarts: int,
    dry_run: bool,
) -> None:
    """Body of the command. Raises `BurnishError`."""
    ready = partial(
        prepare,
        target,
        data=data,
        budget=budget,
        overrides=overrides,
        seed=seed,
        threads=threads,
        device=device,
        devices=devices,
    )
    if not on_a_rank():
        recipe, workload = ready(quiet=devices is not None and devices > 1)
        if recipe.devices == 1 or dry_run:
            _run(recipe, workload, out, dry_run, Ranks())
            return
        Setup(recipe=recipe, workload=workload, progress=Silent())  # so that a mistake is told once
        del workload
        from burnish.train.launch import launch

        launch(["-m", "burnish", *sys.argv[1:]], devices=recipe.devices, restarts=restarts)
        return
    with joined(_device(target, overrides, device)) as ranks, told_once(ranks):
        if not ranks.first:
            help_out(ranks)
            return
        recipe, workload = ready()
        _run(recipe.model_copy(update={"devices": ranks.world}), workload, out, dry_run, ranks)


def _run(recipe: Recipe, workload: Workload, out: Path | None, dry_run: bool, ranks: Ranks) -> None:
    folder = out or Path("runs") / workload.name
    with RichProgress() as progress:
        setup = Setup(recipe=recipe, workload=workload, progress=progress, ranks=ranks)
        print_plan(workload.title, setup.plan(), recipe.budget)
        if dry_run:
            return
        run = Run(
            setup=setup,
            out=folder,
            command=shlex.join(["burnish", *sys.argv[1:]]),
            extras=lambda ledger: {"report.html": render(ledger).encode()},
        )
        result = run.execute()
    print_table(table(result.ledger))
    print_headline(headline(result.ledger))
    for warning in result.ledger.warnings:
        progress.say(f"note: {warning}")
    print(f"report:   {folder / 'report.html'}")
    print(f"artifact: {result.artifact}")


def _device(target: str, overrides: tuple[str, ...], device: str | None) -> Device:
    """What trains, known before the workload is loaded."""
    if device is None and (target in shipped_recipes() or Path(target).suffix in (".yaml", ".yml")):
        return load_recipe(target, overrides).device
    return "auto" if device is None else device  # type: ignore[return-value]


def prepare(
    target: str,
    *,
    data: str | None = None,
    budget: str | None = None,
    overrides: tuple[str, ...] = (),
    seed: int | None = None,
    threads: int | None = None,
    device: str | None = None,
    devices: int | None = None,
    quiet: bool = False,
) -> tuple[Recipe, Workload]:
    """The recipe and the workload that the command line names; a recipe made here is shown, unless `quiet`.

    Raises `BurnishError`.
    """
    given = {"data": data} if data else {}
    if target in shipped_recipes() or Path(target).suffix in (".yaml", ".yml"):
        recipe = load_recipe(target, overrides)
        recipe = recipe.model_copy(update={"settings": {**recipe.settings, **given}})
        workload = get(recipe.workload, **recipe.settings)
    else:
        settings: dict[str, Any] = {"settings": given}
        for override in (text for text in overrides if text.startswith("settings.")):
            settings = apply_override(settings, override)
        workload = get(target, **settings["settings"])
        examples = workload.train.batch(np.arange(min(2, len(workload.train)))).inputs
        recipe = compose(target, workload, workload.build(), examples, budget or "", fingerprint())
        short = recipe.to_dict() | (settings if settings["settings"] else {})
        for override in overrides:
            short = apply_override(short, override)
        recipe = recipe_from(short)
        if not quiet:
            print_note(
                "no recipe was given; this one was composed from what tracing finds:\n\n" + to_yaml(recipe.to_dict())
            )
    changes = {"budget": budget, "seed": seed, "threads": threads, "device": device, "devices": devices}
    return recipe.model_copy(update={k: v for k, v in changes.items() if v is not None}), workload
