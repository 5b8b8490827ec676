"""What widths cost in each amount that has a target: parameters, multiply-adds, measured milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from burnish.core.errors import Unsupported
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.pruning import costs, solver
from burnish.passes.pruning.group import Group
from burnish.passes.pruning.table import cut_to, measure_table

Amount = Literal["ratio", "parameters", "macs", "latency"]

_TRIES = 4
_LATE = 1.03
_TOO_FAST = 0.98
"""Of a target: slower is a miss, faster has cut what could have stayed."""


@dataclass(frozen=True)
class Prices:
    """What widths cost in each wanted amount, what the whole model costs, and the table of times for the notes."""

    costs: Mapping[Amount, solver.Cost]
    full: Mapping[Amount, float]
    notes: Mapping[str, Any]

    def share(self, amount: Amount, widths: Mapping[str, int]) -> float:
        """The share of the whole model's cost."""
        return self.costs[amount](widths) / self.full[amount]

    def excess(self, keep: Mapping[Amount, float]) -> solver.Cost:
        """How far widths are above their targets, as a sum of shares; 0 where all are kept."""
        return lambda widths: sum(max(0.0, self.share(amount, widths) - share) for amount, share in keep.items())


def price(
    variant: Variant, groups: Sequence[Group], amounts: Sequence[Amount], branches: bool, context: Context
) -> Prices:
    """Prices in each of the amounts; times are measured. Raises `Unsupported` without a backend to measure on."""
    blocks = {group.name: group.num_blocks for group in groups}
    found: dict[Amount, solver.Cost] = {}
    full: dict[Amount, float] = {}
    notes: dict[str, Any] = {}
    for amount in amounts:
        if amount == "latency":
            if context.cost is None:
                raise Unsupported("a latency target needs a backend to measure on", where="prune.latency")
            table, notes["saved_ms"] = measure_table(
                variant, groups, context.examples, context.cost, context.progress, branches=branches
            )
            found[amount], full[amount] = table, table.full_ms
            continue
        layers = (
            costs.parameter_costs(variant.module, groups)
            if amount == "parameters"
            else costs.mac_costs(variant.module, groups, context.examples)
        )
        found[amount] = costs.ProductCost(layers, blocks)
        full[amount] = found[amount]({})
    return Prices(found, full, notes)


def on_time(
    variant: Variant,
    groups: Sequence[Group],
    wanted: Mapping[Amount, float],
    context: Context,
    prices: Prices,
    solve: Callable[[Mapping[Amount, float]], solver.Widths],
) -> tuple[solver.Widths, dict[str, Any]]:
    """Widths whose measured time is on target too: where the table was wrong, either way, its target is moved.

    The notes hold every try, and as `measured_ms` the time of the one that was taken.
    """
    assert context.cost is not None
    full_ms = prices.full["latency"]
    target = wanted["latency"] * full_ms
    keep = dict(wanted)
    tries: list[dict[str, float]] = []
    found: list[tuple[solver.Widths, float]] = []
    widths = solve(keep)
    for _ in range(_TRIES):
        narrow = cut_to(variant, widths, groups, context.examples)
        now_full, now = context.cost([variant, narrow])
        measured = now * full_ms / now_full
        found.append((widths, measured))
        tries.append({"predicted_ms": round(prices.costs["latency"](widths), 4), "measured_ms": round(measured, 4)})
        if _TOO_FAST * target <= measured <= _LATE * target:
            break
        keep["latency"] = min(1.0, keep["latency"] - (measured - target) / full_ms)
        widths = solve(keep)
        if any(widths == before for before, _ in found):
            break
    early = [(widths, measured) for widths, measured in found if measured <= _LATE * target]
    widths, measured = max(early, key=lambda one: one[1]) if early else min(found, key=lambda one: one[1])
    notes = {"full_ms": round(full_ms, 4), "target_ms": round(target, 4), "measured_ms": round(measured, 4)}
    return widths, {**notes, "tries": tries}
