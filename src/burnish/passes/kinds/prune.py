"""Prune: takes whole channels, heads and hidden units out of the model.

What leaves is chosen by a criterion (`taylor` knows the task, `l1` costs nothing), how much by a
channel ratio or by targets in parameters, multiply-adds and measured latency on the backend that
will serve, one or several together. With a latency target each kind of layer is first timed at
several widths there, because time does not follow multiply-adds. With `branches` a residual branch
may go whole, its mean staying in its place: narrow networks get faster by layers, not by channels.
Afterwards BatchNorm statistics are taken anew and the model is trained back, by default with the
uncompressed model as teacher.

Costs: the recovery training. Sources: DepGraph (CVPR 2023) for coupled layers, Molchanov et al.
(CVPR 2019) for `taylor`, "Isomorphic Pruning" (ECCV 2024) for ranking alike layers apart.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

from burnish.core.doors import CRITERIA
from burnish.core.errors import NoEffect, RecipeError, Unsupported
from burnish.core.evidence import Change, Skip
from burnish.core.manifest import Record
from burnish.core.noun import Field, model_validator
from burnish.data.split import Batch
from burnish.model.branch import branch_record, replay_branches
from burnish.model.surgery import resize_record, snapshot
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.pruning.branches import drop_branch, still_branch
from burnish.passes.pruning.equivalence import retune
from burnish.passes.pruning.explain import explain
from burnish.passes.pruning.plan import Amount, Ranking, Request, make_plan
from burnish.passes.pruning.recalibrate import recalibrate

_MEAN_BATCHES = 8
_NORM_BATCHES = 20
_AMOUNTS: tuple[Amount, ...] = ("ratio", "parameters", "macs", "latency")


class Prune(Pass):
    """Remove channels, heads and hidden units, then train back."""

    ratio: float | None = Field(default=None, gt=0, lt=1, description="share of channels to remove")
    parameters: float | None = Field(default=None, gt=0, lt=1, description="share of parameters to keep")
    macs: float | None = Field(default=None, gt=0, lt=1, description="share of multiply-adds to keep")
    latency: float | None = Field(default=None, gt=0, lt=1, description="share of the measured latency to keep")
    criterion: str = Field(default="taylor", description="how channels are scored; `burnish list criteria`")
    ranking: Ranking = Field(default="global", description="global, local (each layer) or isomorphic (alike layers)")
    max_ratio: float = Field(default=0.9, gt=0, lt=1, description="most that any one group may lose")
    round_to: int = Field(default=0, ge=0, description="widths are multiples of this; 0: about an eighth, times 16")
    streams: bool = Field(default=True, description="also cut channels that run through additions")
    branches: bool = Field(default=False, description="also take whole residual branches out, with steps: 1")
    ignore: tuple[str, ...] = Field(default=(), description="paths of layers to leave alone")
    steps: int = Field(default=1, ge=1, description="cut and train back this many times, a part each time")
    score_rows: int = Field(default=2048, ge=32, description="training rows for gradients")
    recover: Recover = Field(default_factory=Recover, description="training after the cut")

    @model_validator(mode="after")
    def _amounts(self) -> Prune:
        given = list(self._keep)
        if not given or ("ratio" in given and len(given) > 1):
            shown = ", ".join(given) or "none"
            raise ValueError(f"give ratio, or one or more of {', '.join(_AMOUNTS[1:])} (given: {shown})")
        if self.branches and self.steps > 1:
            raise ValueError("branches go in one step: leave out `steps`")
        CRITERIA.get(self.criterion)
        return self

    @property
    def measures(self) -> bool:
        """See `Pass.measures`."""
        return self.latency is not None

    def forecast(self) -> str:
        """One line for the plan."""
        kept = " and ".join(f"{share:.0%} of {amount}" for amount, share in self._keep.items())
        what = f"keep {kept}" if self.ratio is None else f"remove {self.ratio:.0%} of channels"
        return f"{what} by {self.criterion}, {self.ranking} ranking; {self.recover.forecast()}"

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        """See `Pass.__call__`."""
        if variant.precision != "fp32":
            raise Unsupported("pruning wants a model without fake-quantize nodes", help="put prune before quantize")
        if self.latency is not None and context.cost is None:
            raise RecipeError("a latency target needs a backend to measure on", where="prune.latency")
        before = snapshot(variant.module)
        work = variant.copy()
        gone: dict[str, str] = {}
        notes: dict[str, Any] = {"criterion": self.criterion, "ranking": self.ranking}
        skipped: list[Skip] = []
        for step in range(self.steps):
            work, skipped = self._step(work, context, step, notes, gone)
            if resize_record(before, work.module).data:
                label = f"recover {step + 1}/{self.steps}"
                notes["recovery"] = recover(work.module, context, self.recover, label=label)
        records = _records(variant, work, gone)
        if not records:
            raise NoEffect("no channel was removed", where="prune", help="ask for more, or set a smaller round_to")
        whole = tuple(Change(where=last, what="its whole branch is gone") for last in gone)
        return Outcome(
            variant=Variant(module=work.module, records=(*variant.records, *records)),
            changes=(*_changes(before, snapshot(work.module)), *whole),
            skipped=tuple(skipped),
            notes=notes,
        )

    def _step(
        self, work: Variant, context: Context, step: int, notes: dict[str, Any], whole: dict[str, str]
    ) -> tuple[Variant, list[Skip]]:
        """One cut; the branches that went are added to `whole`: last layer -> the norm behind it."""
        graph, skipped = explain(work.module, context.examples, self.ignore, self.streams)
        request = Request(
            keep={amount: share ** (1 / self.steps) for amount, share in self._keep.items()},
            criterion=self.criterion,
            ranking=self.ranking,
            max_ratio=self.max_ratio,
            round_to=self.round_to,
            score_rows=self.score_rows,
            branches=self.branches,
        )
        plan = make_plan(work, graph.groups, request, context, epoch=step)
        going = [group for group in plan.groups if plan.widths[group.name] == 0]
        means = [batch.inputs for batch in self._drawn(context, step, _MEAN_BATCHES)] if going else []
        for group in going:
            still_branch(graph.module, group, means)
        for group in plan.groups:
            gone = plan.channels_to_cut(group)
            if gone:
                graph.remove(group, gone)
                retune(graph.module, group, len(gone))
        whole |= dict(drop_branch(graph.module, group, means) for group in going)
        recalibrate(graph.module, self._drawn(context, step, _NORM_BATCHES))
        notes |= plan.notes | {"score before recovery": round(context.score(graph.module), 5)}
        return Variant(module=graph.module), [*skipped, *plan.skipped]

    def _drawn(self, context: Context, step: int, count: int) -> Iterator[Batch]:
        drawn = context.train.shuffled(64, seed=context.seed, epoch=step)
        return (batch for batch, _ in zip(drawn, range(count), strict=False))

    @property
    def _keep(self) -> dict[Amount, float]:
        """The share that stays of each amount that was given."""
        given = {name: getattr(self, name) for name in _AMOUNTS if getattr(self, name) is not None}
        return {name: 1 - value if name == "ratio" else value for name, value in given.items()}


def _records(start: Variant, end: Variant, gone: Mapping[str, str]) -> tuple[Record, ...]:
    """First the branches that are gone, then the layers that changed their size."""
    if not gone:
        resized = resize_record(snapshot(start.module), end.module)
        return (resized,) if resized.data else ()
    branches = branch_record(end.module, gone)
    without = replay_branches(copy.deepcopy(start.module), branches)
    return (branches, resize_record(snapshot(without), end.module))


def _changes(before: Mapping[str, dict[str, Any]], after: Mapping[str, dict[str, Any]]) -> tuple[Change, ...]:
    changes = []
    for name, now in after.items():
        old, new = before[name][""].get("weight"), now[""].get("weight")
        if old is not None and new is not None and old != new:
            left = "x".join(map(str, old))
            changes.append(Change(where=name, what=f"{left} -> {'x'.join(map(str, new))}"))
    return tuple(changes)


PART = Prune
