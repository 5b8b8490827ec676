"""`burnish explain MODEL --groups`: what can be pruned in a model, what cannot, and why."""

from __future__ import annotations

import numpy as np

from burnish.cli.console import print_line
from burnish.passes.pruning.explain import describe, explain
from burnish.workloads.registry import get


def show_groups(target: str, data: str | None) -> None:
    """Body of the command. Raises `BurnishError`."""
    workload = get(target, **({"data": data} if data else {}))
    module = workload.build().eval()
    examples = workload.train.batch(np.arange(min(2, len(workload.train)))).inputs
    graph, skipped = explain(module, examples)
    print_line(describe(graph.groups, skipped))
