"""The table of measured times: what each group saves at each width, on the target backend.

Groups that are alike (same kinds and sizes of layers) share one measurement. For every kind, all
groups of that kind are cut to the same width at once and the saving divided by their number, which
lifts a small saving above the noise.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

from torch import Tensor

from burnish.core.progress import Progress
from burnish.model.variant import Variant
from burnish.passes.pruning.branches import drop_branch
from burnish.passes.pruning.costs import TableCost
from burnish.passes.pruning.equivalence import retune
from burnish.passes.pruning.group import Group
from burnish.passes.pruning.groups import dependencies


def measure_table(
    variant: Variant,
    groups: Sequence[Group],
    inputs: Mapping[str, Tensor],
    cost: Callable[[Sequence[Variant]], list[float]],
    progress: Progress,
    branches: bool = False,
) -> tuple[TableCost, dict[str, dict[int, float]]]:
    """A cost function in ms, and the raw table: kind of group -> width in channels -> ms saved each."""
    kinds: dict[str, list[Group]] = {}
    for group in groups:
        kinds.setdefault(group.shape_key, []).append(group)
    entries: list[tuple[str, int]] = []
    variants = [variant]
    for key, alike in kinds.items():
        widths = {max(1, alike[0].num_blocks * quarter // 4) for quarter in (1, 2, 3)}
        if branches and all(group.branch for group in alike):
            widths.add(0)
        for width in sorted(widths):
            if width < alike[0].num_blocks:
                entries.append((key, width))
                cut = {group.name: width for group in alike}
                variants.append(cut_to(variant, cut, groups, inputs))
    progress.say(f"timing {len(entries)} widths of {len(kinds)} kinds of layer")
    full_ms, *narrow_ms = cost(variants)
    saved: dict[str, dict[int, float]] = {key: {} for key in kinds}
    for (key, width), ms in zip(entries, narrow_ms, strict=True):
        saved[key][width] = (full_ms - ms) / len(kinds[key])
    table = {group.name: isotonic(saved[key]) for key, alike in kinds.items() for group in alike}
    shown = {
        f"{alike[0].name} (x{len(alike)})": {w * alike[0].block: round(ms, 5) for w, ms in saved[key].items()}
        for key, alike in kinds.items()
    }
    blocks = {group.name: group.num_blocks for group in groups}
    return TableCost(full_ms, table, blocks), shown


def cut_to(
    variant: Variant,
    widths: Mapping[str, int],
    groups: Sequence[Group],
    inputs: Mapping[str, Tensor],
) -> Variant:
    """A copy of the variant with each named group cut to that many blocks: the last ones go.

    A width of 0 takes the branch out.
    """
    graph = dependencies(copy.deepcopy(variant.module), inputs)
    for group in groups:
        gone = list(range(max(1, widths.get(group.name, group.num_blocks)) * group.block, group.channels))
        if gone:
            graph.remove(group, gone)
            retune(graph.module, group, len(gone))
    for group in groups:
        if widths.get(group.name) == 0:
            drop_branch(graph.module, group, [inputs])
    return Variant(module=graph.module, records=variant.records, precision=variant.precision)


def isotonic(saved: Mapping[int, float]) -> dict[int, float]:
    """Savings by width, never larger for a wider layer: where they were measured so, neighbours share their mean.

    Taking the larger one instead would promise what noise saved.
    """
    from sklearn.isotonic import isotonic_regression

    widths = sorted(saved)
    fitted = isotonic_regression([saved[width] for width in widths], y_min=0.0, increasing=False)
    return dict(zip(widths, fitted.tolist(), strict=True))
