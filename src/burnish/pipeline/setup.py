"""What a run starts from: a recipe on a workload, checked, with the machine that it will run on."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from burnish.core.budget import parse_budget
from burnish.core.machine import Machine, fingerprint
from burnish.core.progress import Progress
from burnish.passes.base import Context
from burnish.pipeline.cache import VariantCache, cache_root
from burnish.pipeline.keys import stage_key, start_key
from burnish.pipeline.preflight import check_quality, check_trainings
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.surroundings import context_of, max_drop
from burnish.train.device import choose_device, device_name
from burnish.train.ranks import Ranks
from burnish.workloads.workload import Workload


@dataclass(kw_only=True)
class Setup:
    """One recipe on one workload; nothing has run yet.

    With several `ranks` this is the first one, and the others are in `pipeline.team.help_out`. Making one raises
    `BurnishError` when recipe and workload do not go together.
    """

    recipe: Recipe
    workload: Workload
    progress: Progress
    ranks: Ranks = field(default_factory=Ranks)

    def __post_init__(self) -> None:
        self.passes = self.recipe.build_passes()
        self.budget = parse_budget(self.recipe.budget, self.workload.metric.name)
        check_quality(self.budget, self.workload.metric)
        for pass_ in self.passes:
            pass_.check_rows(len(self.workload.train))
        if max(self.ranks.world, self.recipe.devices) > 1:
            check_trainings([step.name for step in self.recipe.passes], self.passes, self.workload.fit)
        device = choose_device(self.recipe.device)
        self.machine: Machine = fingerprint(accelerator=device_name(device) if device.type != "cpu" else "")
        self.threads = self.recipe.threads or self.machine.cores
        self.cache = VariantCache(cache_root())
        self.served = self.recipe.served or self.workload.served

    def plan(self) -> list[tuple[str, str, bool]]:
        """Each pass with what it is going to do and whether the cache has it, as far as can be told.

        A stage behind a pass that may be rolled back is looked up as if the pass was kept.
        """
        key = self.first_key()
        rows = []
        context = replace(self.context(), max_drop=max_drop(self.budget, 0.0, self.workload))
        for index, (step, pass_) in enumerate(zip(self.recipe.passes, self.passes, strict=True), start=1):
            key = stage_key(key, step.name, pass_, context, self.passes[index:])
            rows.append((step.name, pass_.forecast(), key in self.cache))
        return rows

    def build(self) -> nn.Module:
        """The original module, the same every time."""
        torch.manual_seed(self.recipe.seed)
        return self.workload.build().eval()

    def first_key(self) -> str:
        """The key of what the run starts from."""
        settings = json.dumps(self.recipe.settings, sort_keys=True, default=str)
        return start_key(self.workload, self.build(), settings)

    def context(self) -> Context:
        """What passes may use, but for what the workbench gives."""
        return context_of(
            self.workload,
            fit=self.workload.fit.model_copy(update={"device": self.recipe.device}),
            seed=self.recipe.seed,
            machine=self.machine.label,
            threads=self.threads,
            target=self.recipe.compile.target,
            served=self.served,
            progress=self.progress,
        )
