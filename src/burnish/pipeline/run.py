"""Running a recipe: passes one by one, the final comparison, the artifact."""

from __future__ import annotations

import datetime
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from burnish.core.budget import parse_budget
from burnish.core.errors import RecipeError
from burnish.core.evidence import Ledger, Point
from burnish.core.files import lock_folder, own_folder
from burnish.core.kept_memory import kept_memory
from burnish.core.machine import Machine, fingerprint
from burnish.core.manifest import Manifest
from burnish.core.progress import Progress, Silent
from burnish.core.yaml_file import to_yaml
from burnish.model.onnx_graph import OnnxGraph
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.pipeline.account import commit, layer_rows
from burnish.pipeline.cache import VariantCache, cache_root
from burnish.pipeline.chain import Chain
from burnish.pipeline.choice import Choice
from burnish.pipeline.deliver import deliver
from burnish.pipeline.finalist import Finalist
from burnish.pipeline.finals import Finals
from burnish.pipeline.front import mark
from burnish.pipeline.keys import stage_key, start_key
from burnish.pipeline.preflight import check_latency, check_model, check_quality, check_trainings
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.rows import check_rows
from burnish.pipeline.spent import Spent
from burnish.pipeline.stages import Stages, State
from burnish.pipeline.surroundings import context_of, max_drop
from burnish.pipeline.team import gather
from burnish.pipeline.workbench import Workbench
from burnish.train.device import choose_device, device_name
from burnish.train.ranks import Ranks
from burnish.workloads.workload import Workload

Extras = Callable[[Ledger], Mapping[str, bytes]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a run gives: the ledger, and where the artifact is."""

    ledger: Ledger
    artifact: Path
    manifest: Manifest


@dataclass(kw_only=True)
class Run:
    """One recipe on one workload. `extras` makes further files of the artifact from the ledger.

    With several `ranks` this is the first one, and the others are in `pipeline.team.help_out`.
    """

    recipe: Recipe
    workload: Workload
    out: Path
    progress: Progress
    command: str = ""
    extras: Extras | None = None
    ranks: Ranks = field(default_factory=Ranks)

    def __post_init__(self) -> None:
        self.passes = self.recipe.build_passes()
        self.budget = parse_budget(self.recipe.budget, self.workload.metric.name)
        check_quality(self.budget, self.workload.metric)
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

    def execute(self) -> Result:
        """Run everything. Raises `BurnishError`; the output folder is whole or untouched."""
        if self.recipe.devices > 1 and self.ranks.world == 1:
            raise RecipeError("there is one rank", where="devices", help="start it by `burnish optimize` or torchrun")
        started = time.perf_counter()
        torch.set_num_threads(self.threads)
        with lock_folder(self.out), own_folder(self.out / ".work") as scratch, kept_memory():
            warnings = check_rows(self.workload, self.progress)
            chain = self._passes(scratch)
            bench = chain.stages.bench
            finals = Finals(
                bench=bench, compile=self.recipe.compile, survivors=chain.survivors, machine=self.machine.label
            )
            metric = self.workload.metric
            with chain.stages.spent.measuring:
                finalists, points = finals.run()
                points, broken = mark(points, self.budget, metric.name, metric.higher_is_better)
                points = finals.score_test(finalists, points)
                points = finals.throughput(finalists, points)
            warnings += [f"the budget's {clause} is not kept by any candidate" for clause in broken]
            warnings += finals.disturbed(finalists)
            warnings += [f"{name}: {reason}" for name, reason in finals.failed.items()]
            warnings += [f"backend {name} was left out: {why}" for name, why in bench.choice.unavailable.items()]
            ledger = self._ledger(chain, points, warnings, started)
            chosen = finalists[next(i for i, point in enumerate(points) if point.chosen)]
            return self._deliver(ledger, chosen, bench)

    def _passes(self, scratch: Path) -> Chain:
        context = self.context()
        bench = Workbench(
            workload=self.workload,
            choice=Choice(compile=self.recipe.compile),
            served=self.served,
            threads=self.threads,
            folder=scratch,
            progress=self.progress,
            examples=context.examples,
        )
        spent = Spent()
        with spent.measuring:
            check_latency(bench, self.budget)
        team = gather(self.ranks, self.recipe, self.workload, self.build, self.threads)
        context = replace(context, cost=bench.cost, inspect=bench.inspect, team=team)
        stages = Stages(
            context=context, bench=bench, cache=self.cache, fresh=self.build, machine=self.machine.label, spent=spent
        )
        variant = Variant(module=self.build())
        if isinstance(variant.module, OnnxGraph):
            bench.choice.reference = "onnxruntime"
        with spent.measuring:
            score = context.score(variant.module)
        state = State(variant=variant, key=self.first_key(), score=score)
        chain = Chain(stages=stages, budget=self.budget, state=state)
        if not self.passes or not self.passes[0].trains or self.workload.trained:
            chain.start()
        else:
            check_model(bench, variant)
        for index, (step, pass_) in enumerate(zip(self.recipe.passes, self.passes, strict=True), start=1):
            self.progress.say(f"{index}/{len(self.passes)} {step.name}: {pass_.forecast()}")
            chain.add(step.name, pass_, self.passes[index:])
            row = chain.evidence[-1]
            why = f": {row.reason}" if row.reason else ""
            self.progress.say(f"    {row.verdict}{why}, validation {stages.shown(chain.state.score):.4f}")
        if not chain.survivors:
            raise RecipeError("no pass gave a model", where="passes", help=chain.evidence[0].reason)
        if team is not None:
            team.dismiss()
        return chain

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

    def _ledger(self, chain: Chain, points: Sequence[Point], warnings: Sequence[str], started: float) -> Ledger:
        best = next(point for point in points if point.chosen)
        final = next(variant for stage, _, variant in chain.survivors if stage == best.stage)
        precision = str(best.options.get("precision", "fp32"))
        return Ledger(
            workload=self.workload.name,
            title=self.workload.title,
            metric=self.workload.metric.name,
            budget=self.recipe.budget,
            command=self.command,
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=commit(),
            seed=self.recipe.seed,
            threads=self.threads,
            machine=self.machine,
            recipe=self.recipe.to_dict(),
            stages=tuple(chain.evidence),
            points=tuple(points),
            layers=layer_rows(chain.survivors[0][2], final, chain.evidence, precision),
            warnings=tuple(warnings),
            licence=self.workload.licence,
            seconds_training=round(chain.stages.spent.training.seconds, 2),
            seconds_measuring=round(chain.stages.spent.measuring.seconds, 2),
            seconds_total=round(time.perf_counter() - started, 2),
        )

    def _deliver(self, ledger: Ledger, chosen: Finalist, bench: Workbench) -> Result:
        files = {"ledger.json": ledger.to_json().encode(), "recipe.yaml": to_yaml(self.recipe.to_dict()).encode()}
        files |= dict(self.extras(ledger)) if self.extras is not None else {}
        manifest = deliver(self.out, ledger, chosen, bench, self.recipe.workload, files)
        return Result(ledger=ledger, artifact=self.out / "artifact", manifest=manifest)


def run(
    recipe: Recipe,
    workload: Workload,
    *,
    out: Path,
    progress: Progress | None = None,
    command: str = "",
    extras: Extras | None = None,
) -> Result:
    """Run a recipe on a workload and write the artifact to `out/artifact`. Raises `BurnishError`."""
    return Run(
        recipe=recipe, workload=workload, out=out, progress=progress or Silent(), command=command, extras=extras
    ).execute()
