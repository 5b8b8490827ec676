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
from burnish.core.evidence import Evidence, Ledger, Point
from burnish.core.files import lock_folder, own_folder
from burnish.core.machine import Machine, fingerprint
from burnish.core.manifest import Manifest
from burnish.core.measurement import Measurement
from burnish.core.progress import Progress, Silent
from burnish.core.yaml_file import to_yaml
from burnish.data.checks import check_disjoint, check_split
from burnish.data.samples.look import look
from burnish.model.onnx_graph import OnnxGraph
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.pipeline.account import commit, layer_rows
from burnish.pipeline.cache import VariantCache, cache_root
from burnish.pipeline.deliver import deliver
from burnish.pipeline.finalist import Finalist
from burnish.pipeline.finals import Finals
from burnish.pipeline.front import mark
from burnish.pipeline.keys import stage_key, start_key
from burnish.pipeline.preflight import check_latency, check_model, check_quality, check_trainings
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.screen import screen
from burnish.pipeline.stages import Stages, State
from burnish.pipeline.surroundings import context_of, max_drop
from burnish.pipeline.team import gather
from burnish.pipeline.workbench import Workbench
from burnish.train.device import choose_device, device_name
from burnish.train.ranks import Ranks
from burnish.workloads.workload import Workload

Extras = Callable[[Ledger], Mapping[str, bytes]]

_LOOK_ROWS = 1000
"""Rows of each split that are looked at for wrong labels and a shift before training: some seconds."""


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
        for step, pass_ in zip(self.recipe.passes, self.passes, strict=True):
            key = stage_key(key, step.name, pass_, context)
            rows.append((step.name, pass_.forecast(), key in self.cache))
        return rows

    def execute(self) -> Result:
        """Run everything. Raises `BurnishError`; the output folder is whole or untouched."""
        if self.recipe.devices > 1 and self.ranks.world == 1:
            raise RecipeError("there is one rank", where="devices", help="start it by `burnish optimize` or torchrun")
        started = time.perf_counter()
        torch.set_num_threads(self.threads)
        with lock_folder(self.out), own_folder(self.out / ".work") as scratch:
            warnings = self._check_data()
            stages, evidence, survivors = self._passes(scratch)
            finals = Finals(bench=stages.bench, survivors=survivors, machine=self.machine.label)
            began = time.perf_counter()
            finalists, points = finals.run()
            points, broken = mark(points, self.budget, self.workload.metric.name, self.workload.metric.higher_is_better)
            points = finals.score_test(finalists, points)
            points = finals.throughput(finalists, points)
            stages.seconds_measuring += time.perf_counter() - began
            warnings += [f"the budget's {clause} is not kept by any candidate" for clause in broken]
            warnings += finals.disturbed(finalists)
            warnings += [f"{name}: {reason}" for name, reason in finals.failed.items()]
            warnings += [f"backend {name} was left out: {why}" for name, why in stages.bench.unavailable.items()]
            ledger = self._ledger(evidence, points, survivors, warnings, stages, started)
            chosen = finalists[next(i for i, point in enumerate(points) if point.chosen)]
            return self._deliver(ledger, chosen, stages.bench)

    def _check_data(self) -> list[str]:
        work = self.workload
        classes = len(work.labels) or None
        for name, split in (("train", work.train), ("validation", work.validation), ("test", work.test)):
            check_split(split, classes, name=name)
        shared = check_disjoint(work.train, work.test)
        if work.unlabelled is not None:
            check_split(work.unlabelled, name="unlabelled")
            shared += check_disjoint(work.unlabelled, work.test, names=("unlabelled", "test"))
        with self.progress.task("looking at rows", 1) as bar:
            shared += look(work.train, work.test, classes=bool(classes), limit=_LOOK_ROWS).lines
            bar.advance()
        return [*shared, *([work.cheap] if work.cheap else [])]

    def _passes(self, scratch: Path) -> tuple[Stages, list[Evidence], list[tuple[int, str, Variant]]]:
        context = self.context()
        bench = Workbench(
            workload=self.workload,
            compile=self.recipe.compile,
            served=self.served,
            threads=self.threads,
            folder=scratch,
            progress=self.progress,
            examples=context.examples,
        )
        check_latency(bench, self.budget)
        team = gather(self.ranks, self.recipe, self.workload, self.build, self.threads)
        context = replace(context, cost=bench.cost, inspect=bench.inspect, team=team)
        stages = Stages(context=context, bench=bench, cache=self.cache, fresh=self.build, machine=self.machine.label)
        variant = Variant(module=self.build())
        if isinstance(variant.module, OnnxGraph):
            bench.reference = "onnxruntime"
        state = State(variant=variant, key=self.first_key(), score=context.score(variant.module))
        evidence: list[Evidence] = []
        survivors: list[tuple[int, str, Variant]] = []
        if not self.passes or not self.passes[0].trains or self.workload.trained:
            state = _based(state)
            self._start_from(stages, state)
            survivors = [(0, "given", state.variant)]
            evidence.append(self._given(stages, state))
        else:
            check_model(bench, variant)
        for index, (step, pass_) in enumerate(zip(self.recipe.passes, self.passes, strict=True), start=1):
            self.progress.say(f"{index}/{len(self.passes)} {step.name}: {pass_.forecast()}")
            row, after = stages.run(index, pass_, step.name, state)
            first = not state.based
            if first and row.verdict == "kept":
                row, after = row.model_copy(update={"verdict": "base"}), _based(after)
                self._start_from(stages, after)
            evidence.append(row)
            if after is not state:
                survivors.append((index, step.name, after.variant))
            why = f": {row.reason}" if row.reason else ""
            self.progress.say(f"    {row.verdict}{why}, validation {stages.shown(after.score):.4f}")
            state = after
        if not survivors:
            raise RecipeError("no pass gave a model", where="passes", help=evidence[0].reason)
        if team is not None:
            team.dismiss()
        return stages, evidence, survivors

    def _start_from(self, stages: Stages, state: State) -> None:
        """From here on this variant is the teacher and the baseline."""
        score = state.score
        found = screen(stages.bench, state.variant)
        stages.bench.useful = found.by_speed() if self.recipe.compile.backends else found.useful()
        stages.bench.unavailable |= found.failed | found.dropped(stages.bench.useful, stages.bench.reference)
        if stages.context.team is not None:
            stages.context.team.teach(state.variant)
        stages.context = replace(
            stages.context,
            teacher=state.variant.copy().module,
            base_score=score,
            max_drop=max_drop(self.budget, score, self.workload),
        )

    def _given(self, stages: Stages, state: State) -> Evidence:
        value = stages.shown(state.score)
        score = Measurement(
            name="validation", value=value, unit="score", low=value, high=value, n=1,
            protocol="validation rows", machine=self.machine.label,
        )  # fmt: skip
        return Evidence(
            stage=0,
            pass_name="given",
            settings={},
            verdict="base",
            key=state.key,
            measured={"validation": score} | stages._sizes(state.variant),
        )

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

    def _ledger(
        self,
        evidence: Sequence[Evidence],
        points: Sequence[Point],
        survivors: Sequence[tuple[int, str, Variant]],
        warnings: Sequence[str],
        stages: Stages,
        started: float,
    ) -> Ledger:
        work = self.workload
        best = next(point for point in points if point.chosen)
        final = next(variant for stage, _, variant in survivors if stage == best.stage)
        return Ledger(
            workload=work.name,
            title=work.title,
            metric=work.metric.name,
            budget=self.recipe.budget,
            command=self.command,
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            commit=commit(),
            seed=self.recipe.seed,
            threads=self.threads,
            machine=self.machine,
            recipe=self.recipe.to_dict(),
            stages=tuple(evidence),
            points=tuple(points),
            layers=layer_rows(survivors[0][2], final, evidence, str(best.options.get("precision", "fp32"))),
            warnings=tuple(warnings),
            licence=work.licence,
            seconds_training=round(stages.seconds_training, 2),
            seconds_measuring=round(stages.seconds_measuring, 2),
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


def _based(state: State) -> State:
    return State(variant=state.variant, key=state.key, score=state.score, stage=state.stage, based=True)
