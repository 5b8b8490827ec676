"""Prune: takes whole channels, heads and hidden units out of the model.

What leaves is chosen by a criterion (`taylor` knows the task, `l1` costs nothing), how much by a
channel ratio or by targets in parameters, multiply-adds and measured latency on the backend that
will serve, one or several together. With a latency target each kind of layer is first timed at
several widths there, because time does not follow multiply-adds; in INT8 where `quantize` comes later and makes
the model faster, because it does not speed all layers up alike. With `branches` a residual branch
may go whole, its mean staying in its place: narrow networks get faster by layers, not by channels.
Afterwards BatchNorm statistics are taken anew and the model is trained back, by default with the
uncompressed model as teacher.

With `retreat` a cut that loses more than the budget allows is done again, half as deep each time: as it was, where no
widths were cheap enough for the target. A `max_drop` below the budget leaves some of it to the passes that come later.

Costs: the recovery training, once more for every retreat. Sources: DepGraph (CVPR 2023) for coupled
layers, Molchanov et al. (CVPR 2019) for `taylor`, "Isomorphic Pruning" (ECCV 2024) for ranking alike layers apart.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from burnish.core.doors import CRITERIA
from burnish.core.errors import NoEffect, RecipeError, Unsupported
from burnish.core.noun import Field, model_validator
from burnish.model.attention import split_attention
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.pruning.cut import Cut
from burnish.passes.pruning.explain import explain
from burnish.passes.pruning.operate import operate
from burnish.passes.pruning.plan import Ranking, Request, make_plan
from burnish.passes.pruning.prices import Amount
from burnish.train.settings import FitSettings

_MISSED = 1.1
_AMOUNTS: tuple[Amount, ...] = ("ratio", "parameters", "macs", "latency")


class Prune(Pass):
    """Remove channels, heads and hidden units, then train back."""

    unseen: ClassVar[dict[str, Any]] = {"recover": {"strategy": True}}

    ratio: float | None = Field(default=None, gt=0, lt=1, description="share of channels to remove")
    parameters: float | None = Field(default=None, gt=0, lt=1, description="share of parameters to keep")
    macs: float | None = Field(default=None, gt=0, lt=1, description="share of multiply-adds to keep")
    latency: float | None = Field(default=None, gt=0, lt=1, description="share of the measured latency to keep")
    timed: Literal["served", "float"] = Field(
        default="served", description="form that latency is measured in: as later passes leave the model, or before"
    )
    criterion: str = Field(default="taylor", description="how channels are scored; `burnish list criteria`")
    ranking: Ranking = Field(default="global", description="global, local (each layer) or isomorphic (alike layers)")
    max_ratio: float = Field(default=0.9, gt=0, lt=1, description="most that any one group may lose")
    round_to: int = Field(default=0, ge=0, description="widths are multiples of this; 0: about an eighth, times 16")
    streams: bool = Field(default=True, description="also cut channels that run through additions")
    branches: bool = Field(default=False, description="also take whole residual branches out, with steps: 1")
    ignore: tuple[str, ...] = Field(default=(), description="paths of layers to leave alone")
    steps: int = Field(default=1, ge=1, description="cut and train back this many times, a part each time")
    retreat: int = Field(default=0, ge=0, le=4, description="gentler cuts to try when one loses too much score")
    max_drop: float | None = Field(
        default=None, ge=0, description="score that may be lost before it retreats; unset: all that the budget allows"
    )
    score_rows: int = Field(default=2048, ge=32, description="training rows for gradients")
    recover: Recover = Field(default_factory=Recover, description="training after the cut")

    @model_validator(mode="after")
    def _amounts(self) -> Prune:
        given = list(self._keep)
        if not given or ("ratio" in given and len(given) > 1):
            shown = ", ".join(given) or "none"
            what = f"give ratio, or one or more of {', '.join(_AMOUNTS[1:])} (given: {shown})"
            raise RecipeError(what, help="ratio: 0.5 removes half of the channels, macs: 0.5 half of the work")
        if self.branches and self.steps > 1:
            raise RecipeError("branches go in one step", where="branches", help="leave out `steps`")
        if self.max_drop is not None and not self.retreat:
            raise RecipeError("max_drop says when to retreat", where="max_drop", help="set `retreat` to 1 or more")
        CRITERIA.get(self.criterion)
        return self

    @property
    def measures(self) -> bool:
        """See `Pass.measures`."""
        return self.latency is not None or self.retreat > 0

    @property
    def files(self) -> tuple[Path, ...]:
        """The recovery's file of weights."""
        return self.recover.files

    def trainings(self, base: FitSettings) -> tuple[FitSettings, ...]:
        """See `Pass.trainings`."""
        return (self.recover.fit_settings(base),) if self.recover.epochs else ()

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
        if self.timed == "served" and context.cost_served is not None:
            context = replace(context, cost=context.cost_served)
        variant = split_attention(variant, context.examples)
        floor = context.floor(context.score(variant.module), self.max_drop) if self.retreat else -math.inf
        found: list[Cut] = []
        for retreats in range(self.retreat + 1):
            keep = self._keep
            if found:
                reached = found[0].reached
                keep = {name: _gentler(share, reached.get(name, share), retreats) for name, share in keep.items()}
                wanted = " and ".join(f"{share:.0%} of {amount}" for amount, share in keep.items())
                context.progress.say(f"    score {found[-1].score(context):.4f}, {floor:.4f} needed: keeping {wanted}")
            cut = self._cut(variant, context, keep, found)
            if cut is None:
                context.progress.say("    the same layers and widths as before")
                continue
            found.append(cut)
            if not cut.records() or cut.score(context) >= floor:
                break
        real = [cut for cut in found if cut.records()]
        best = max(real, key=lambda cut: cut.score(context), default=None)
        if best is None:
            raise NoEffect("no channel was removed", where="prune", help="ask for more, or set a smaller round_to")
        if len(found) > 1:
            best.notes["retreats"] = [
                {**{f"{name} wanted": round(share, 4) for name, share in cut.keep.items()}, "score": cut.score(context)}
                for cut in real
            ]
        return Outcome(variant=best.variant(), changes=best.changes(), skipped=tuple(best.skipped), notes=best.notes)

    def _cut(
        self, variant: Variant, context: Context, keep: Mapping[Amount, float], before: Sequence[Cut]
    ) -> Cut | None:
        """All steps down to these shares; None where that is the last of `before`, the cuts that lost too much."""
        notes = {"criterion": self.criterion, "ranking": self.ranking}
        cut = Cut(start=variant, work=variant.copy(), keep=keep, notes=notes)
        for step in range(self.steps):
            graph, skipped = explain(cut.work.module, context.examples, self.ignore, self.streams)
            prices = before[0].prices if before and step == 0 else None
            plan = make_plan(cut.work, graph.groups, self._request(cut), context, epoch=step, prices=prices)
            operate(cut, graph, plan, context, epoch=step)
            cut.skipped = [*skipped, *plan.skipped]
            cut.prices = plan.prices if step == 0 else cut.prices
            cut.reached = plan.reached if self.steps == 1 else {}
            made = cut.variant()
            if before and self.steps == 1 and made.records == before[-1].variant().records:
                return None
            if made.records != variant.records:
                label = f"recover {step + 1}/{self.steps}" + (f", retreat {len(before)}" if before else "")
                cut.notes["recovery"] = recover(made, context, self.recover, label=label)
        return cut

    def _request(self, cut: Cut) -> Request:
        """What one step is asked for."""
        return Request(
            keep={amount: share ** (1 / self.steps) for amount, share in cut.keep.items()},
            criterion=self.criterion,
            ranking=self.ranking,
            max_ratio=self.max_ratio,
            round_to=self.round_to,
            score_rows=self.score_rows,
            branches=self.branches,
        )

    @property
    def _keep(self) -> dict[Amount, float]:
        """The share that stays of each amount that was given."""
        given = {name: getattr(self, name) for name in _AMOUNTS if getattr(self, name) is not None}
        return {name: 1 - value if name == "ratio" else value for name, value in given.items()}


def _gentler(wanted: float, reached: float, retreats: int) -> float:
    """A share half as far from the whole, so many times: from where the first cut came, if that missed its target."""
    start = reached if reached > _MISSED * wanted else wanted
    return float(start ** (0.5**retreats))


PART = Prune
