"""Before any cutting: every group, what is in it, what cannot be pruned and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.evidence import Skip
from burnish.model.onnx_graph import refuse_graph
from burnish.passes.pruning.branches import proven_branches
from burnish.passes.pruning.equivalence import proven
from burnish.passes.pruning.group import Group
from burnish.passes.pruning.groups import Graph, trace


def explain(
    module: nn.Module, inputs: Mapping[str, Tensor], ignored: Sequence[str] = (), streams: bool = True
) -> tuple[Graph, list[Skip]]:
    """The graph with only the groups whose surgery is proven, and the rest with the reason.

    Raises `Unsupported` when nothing is left.
    """
    refuse_graph(module, "pruned")
    graph = trace(module, inputs, ignored)
    skipped = list(graph.skipped)
    if not streams:
        skipped += [
            Skip(where=g.name, why="runs through additions, and `streams` is off") for g in graph.groups if g.stream
        ]
        graph.groups = [g for g in graph.groups if not g.stream]
    graph.groups, faulty = proven(graph, inputs)
    skipped += faulty
    graph.groups = proven_branches(graph.module, graph.groups, inputs)
    if not graph.groups:
        reasons = "; ".join(f"{skip.where}: {skip.why}" for skip in skipped[:3])
        raise Unsupported(
            "no layer of this model can be pruned", where=type(module).__name__, why=reasons or "it has no such layers"
        )
    return graph, skipped


def describe(groups: Sequence[Group], skipped: Sequence[Skip]) -> str:
    """Text for people: one line per group with its coupled layers, then what is left alone."""
    lines = []
    for group in groups:
        unit = f" in blocks of {group.block}" if group.block > 1 else ""
        inside = ", ".join(f"{m.name} ({m.side})" for m in group.members)
        whole = ", may go whole" if group.branch else ""
        lines.append(f"{group.name}: {group.kind}, {group.channels} channels{unit}{whole}: {inside}")
    lines += [f"left alone: {skip.where}: {skip.why}" for skip in skipped]
    return "\n".join(lines)
