"""The surgery of one cut: branches go, layers get narrower, BatchNorm is measured anew."""

from __future__ import annotations

from collections.abc import Iterator

from burnish.data.split import Batch
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.pruning.branches import drop_branch, still_branch
from burnish.passes.pruning.cut import Cut
from burnish.passes.pruning.equivalence import retune
from burnish.passes.pruning.groups import Graph
from burnish.passes.pruning.plan import Plan
from burnish.train.norms import recalibrate

_MEAN_BATCHES = 8
_NORM_BATCHES = 20


def operate(cut: Cut, graph: Graph, plan: Plan, context: Context, epoch: int) -> None:
    """Carry out the plan on `graph`, which becomes the work of `cut`.

    The branches that went are added to `cut.gone`: last layer -> the norm behind it.
    """
    going = [group for group in plan.groups if plan.widths[group.name] == 0]
    means = [batch.inputs for batch in _drawn(context, epoch, _MEAN_BATCHES)] if going else []
    for group in going:
        still_branch(graph.module, group, means)
    for group in plan.groups:
        gone = plan.channels_to_cut(group)
        if gone:
            graph.remove(group, gone)
            retune(graph.module, group, len(gone))
    cut.gone |= dict(drop_branch(graph.module, group, means) for group in going)
    recalibrate(graph.module, _drawn(context, epoch, _NORM_BATCHES))
    cut.notes |= plan.notes | {"score before recovery": round(context.score(graph.module), 5)}
    cut.work = Variant(module=graph.module)


def _drawn(context: Context, epoch: int, count: int) -> Iterator[Batch]:
    drawn = context.train.shuffled(64, seed=context.seed, epoch=epoch)
    return (batch for batch, _ in zip(drawn, range(count), strict=False))
