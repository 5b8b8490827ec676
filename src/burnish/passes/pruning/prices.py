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

_TRIES = 5
_LATE = 1.03
_TOO_FAST = 0.98
"""Of a target: slower is a miss, faster has cut what could have stayed."""
_SAME = 1 / 64
"""Two targets of the table, as shares of the whole time, between which there is nothing to look for."""


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

    It moves by what was missed, and stays between the targets that gave too slow and too fast widths.
    The notes hold every try, and as `measured_ms` the time of the one that was taken.
    """
    assert context.cost is not None
    full_ms = prices.full["latency"]
    target = wanted["latency"] * full_ms
    share, too_fast, too_slow = wanted["latency"], 0.0, 1.0
    tries: list[dict[str, float]] = []
    found: list[tuple[solver.Widths, float]] = []
    while len(tries) < _TRIES and too_slow - too_fast > _SAME:
        widths = solve({**wanted, "latency": share})
        known = [ms for before, ms in found if before == widths]
        if not known:
            narrow = cut_to(variant, widths, groups, context.examples)
            now_full, now = context.cost([variant, narrow])
            known = [now * full_ms / now_full]
            predicted = prices.costs["latency"](widths)
            tries.append({"predicted_ms": round(predicted, 4), "measured_ms": round(known[0], 4)})
            found.append((widths, known[0]))
        measured = known[0]
        if _TOO_FAST * target <= measured <= _LATE * target:
            break
        too_fast, too_slow = (too_fast, share) if measured > target else (share, too_slow)
        share -= (measured - target) / full_ms
        if not too_fast < share < too_slow:
            share = (too_fast + too_slow) / 2
    early = [(widths, measured) for widths, measured in found if measured <= _LATE * target]
    widths, measured = max(early, key=lambda one: one[1]) if early else min(found, key=lambda one: one[1])
    notes = {"full_ms": round(full_ms, 4), "target_ms": round(target, 4), "measured_ms": round(measured, 4)}
    return widths, {**notes, "tries": tries}
