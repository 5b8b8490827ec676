"""`burnish explain MODEL --groups`: what can be pruned in a model, what cannot, and why."""

from __future__ import annotations

import numpy as np

from burnish.cli.terminal.console import print_line
from burnish.model.attention import split_attention
from burnish.model.variant import Variant
from burnish.passes.pruning.explain import describe, explain
from burnish.workloads.registry import get


def show_groups(target: str, data: str | None) -> None:
    """Body of the command. Raises `BurnishError`."""
    workload = get(target, **({"data": data} if data else {}))
    examples = workload.train.batch(np.arange(min(2, len(workload.train)))).inputs
    variant = split_attention(Variant(module=workload.build().eval()), examples)
    graph, skipped = explain(variant.module, examples)
    print_line(describe(graph.groups, skipped))
