"""Running a recipe: passes one by one, the final comparison, the artifact."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from burnish.core.errors import RecipeError
from burnish.core.evidence import Ledger, Point
from burnish.core.files import lock_folder, own_folder
from burnish.core.kept_memory import kept_memory
from burnish.core.manifest import Manifest
from burnish.core.progress import Progress, Silent
from burnish.core.yaml_file import to_yaml
from burnish.model.onnx_graph import OnnxGraph
from burnish.model.variant import Variant
from burnish.pipeline.account import commit, layer_rows
from burnish.pipeline.chain import Chain
from burnish.pipeline.choice import Choice
from burnish.pipeline.deliver import deliver
from burnish.pipeline.finalist import Finalist
from burnish.pipeline.finals import Finals
from burnish.pipeline.front import mark
from burnish.pipeline.preflight import check_latency, check_model
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.rows import check_rows
from burnish.pipeline.setup import Setup
from burnish.pipeline.spent import Spent
from burnish.pipeline.stages import Stages, State
from burnish.pipeline.team import gather
from burnish.pipeline.workbench import Workbench
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
    """Carries out a `Setup` into the folder `out`. `extras` makes further files of the artifact from the ledger."""

    setup: Setup
    out: Path
    command: str = ""
    extras: Extras | None = None

    def execute(self) -> Result:
        """Run everything. Raises `BurnishError`; the output folder is whole or untouched."""
        setup = self.setup
        if setup.recipe.devices > 1 and setup.ranks.world == 1:
            raise RecipeError("there is one rank", where="devices", help="start it by `burnish optimize` or torchrun")
        started = time.perf_counter()
        torch.set_num_threads(setup.threads)
        with lock_folder(self.out), own_folder(self.out / ".work") as scratch, kept_memory():
            warnings = check_rows(setup.workload, setup.progress)
            chain = self._passes(scratch)
            bench = chain.stages.bench
            finals = Finals(
                bench=bench,
                compile=setup.recipe.compile,
                budget=setup.budget,
                survivors=chain.survivors,
                machine=setup.machine.label,
            )
            metric = setup.workload.metric
            with chain.stages.spent.measuring:
                finalists, points = finals.run()
                points, broken = mark(points, setup.budget, metric.name, metric.higher_is_better)
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
        setup = self.setup
        context = setup.context()
        bench = Workbench(
            workload=setup.workload,
            choice=Choice(compile=setup.recipe.compile),
            served=setup.served,
            threads=setup.threads,
            folder=scratch,
            progress=setup.progress,
            examples=context.examples,
        )
        spent = Spent()
        with spent.measuring:
            check_latency(bench, setup.budget)
        team = gather(setup.ranks, setup.recipe, setup.workload, setup.build, setup.threads)
        context = replace(context, cost=bench.cost, inspect=bench.inspect, team=team)
        stages = Stages(
            context=context, bench=bench, cache=setup.cache, fresh=setup.build, machine=setup.machine.label, spent=spent
        )
        variant = Variant(module=setup.build())
        if isinstance(variant.module, OnnxGraph):
            bench.choice.reference = "onnxruntime"
        with spent.measuring:
            score = context.score(variant.module)
        state = State(variant=variant, key=setup.first_key(), score=score)
        chain = Chain(stages=stages, budget=setup.budget, state=state)
        if not setup.passes or not setup.passes[0].trains or setup.workload.trained:
            chain.start()
        else:
            check_model(bench, variant)
        for index, (step, pass_) in enumerate(zip(setup.recipe.passes, setup.passes, strict=True), start=1):
            setup.progress.say(f"{index}/{len(setup.passes)} {step.name}: {pass_.forecast()}")
            chain.add(step.name, pass_, setup.passes[index:])
            row = chain.evidence[-1]
            why = f": {row.reason}" if row.reason else ""
            setup.progress.say(f"    {row.verdict}{why}, validation {stages.shown(chain.state.score):.4f}")
        if not chain.survivors:
            raise RecipeError("no pass gave a model", where="passes", help=chain.evidence[0].reason)
        if team is not None:
            team.dismiss()
        return chain

    def _ledger(self, chain: Chain, points: Sequence[Point], warnings: Sequence[str], started: float) -> Ledger:
        setup = self.setup
        best = next(point for point in points if point.chosen)
        final = next(variant for stage, _, variant in chain.survivors if stage == best.stage)
        precision = str(best.options.get("precision", "fp32"))
        return Ledger(
            workload=setup.workload.name,
            title=setup.workload.title,
            metric=setup.workload.metric.name,
            budget=setup.recipe.budget,
            command=self.command,
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=commit(),
            seed=setup.recipe.seed,
            threads=setup.threads,
            machine=setup.machine,
            recipe=setup.recipe.to_dict(),
            stages=tuple(chain.evidence),
            points=tuple(points),
            layers=layer_rows(chain.survivors[0][2], final, chain.evidence, precision),
            warnings=tuple(warnings),
            licence=setup.workload.licence,
            seconds_training=round(chain.stages.spent.training.seconds, 2),
            seconds_measuring=round(chain.stages.spent.measuring.seconds, 2),
            seconds_total=round(time.perf_counter() - started, 2),
        )

    def _deliver(self, ledger: Ledger, chosen: Finalist, bench: Workbench) -> Result:
        files = {"ledger.json": ledger.to_json().encode(), "recipe.yaml": to_yaml(self.setup.recipe.to_dict()).encode()}
        files |= dict(self.extras(ledger)) if self.extras is not None else {}
        manifest = deliver(self.out, ledger, chosen, bench, self.setup.recipe.workload, files)
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
    setup = Setup(recipe=recipe, workload=workload, progress=progress or Silent())
    return Run(setup=setup, out=out, command=command, extras=extras).execute()
