"""From amounts to widths: scores the groups, prices the widths, and solves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from burnish.core.doors import CRITERIA
from burnish.core.errors import Unsupported
from burnish.core.evidence import Skip
from burnish.data.split import Batch
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.pruning import costs, solver
from burnish.passes.pruning.groups import Group
from burnish.passes.pruning.scores import block_scores, gate_scores
from burnish.passes.pruning.table import cut_to, measure_table
from burnish.train.device import choose_device, moved

Ranking = Literal["global", "local", "isomorphic"]
Amount = Literal["ratio", "parameters", "macs", "latency"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to choose widths for. `keep` is the share that stays of each amount; "ratio", of channels, stands alone."""

    keep: Mapping[Amount, float]
    criterion: str
    ranking: Ranking
    max_ratio: float
    round_to: int
    score_rows: int
    branches: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Widths in blocks by group name, the scores they were chosen by, and what was left alone.

    A width of 0 takes the whole branch out: one block stays, which nobody reads.
    """

    groups: list[Group]
    widths: dict[str, int]
    scores: dict[str, Tensor]
    skipped: list[Skip]
    notes: dict[str, Any] = field(default_factory=dict)

    def channels_to_cut(self, group: Group) -> list[int]:
        """Root channels of the lowest-scored blocks that the plan removes."""
        order = self.scores[group.name].sort(stable=True).indices.tolist()
        gone = sorted(order[: group.num_blocks - max(1, self.widths[group.name])])
        return [block * group.block + i for block in gone for i in range(group.block)]


def make_plan(variant: Variant, groups: Sequence[Group], request: Request, context: Context, epoch: int = 0) -> Plan:
    """Choose the widths. Raises `Unsupported` when the criterion can score no group."""
    scores, skipped = _scores(variant, groups, request, context, epoch)
    groups = [group for group in groups if group.name in scores]
    if not groups:
        raise Unsupported(f"criterion {request.criterion!r} can score no group of this model")
    choices = {group.name: _choices(group, request) for group in groups}
    scope = {group.name: _scope(group, request.ranking) for group in groups}
    if request.ranking == "isomorphic":
        scores = _scaled_by_scope(scores, scope)
    if "ratio" in request.keep:
        widths = solver.by_ratio(scores, choices, scope, 1 - request.keep["ratio"])
        return Plan(groups=groups, widths=widths, scores=scores, skipped=skipped)

    def solve(cost: solver.Cost) -> solver.Widths:
        if request.ranking == "global":
            return solver.greedy(scores, choices, cost, 0.0)
        return solver.ratio_for(lambda ratio: solver.by_ratio(scores, choices, scope, ratio), cost, 0.0)

    prices, notes = _prices(variant, groups, request, context)
    if "latency" in prices:
        widths, tried = _by_latency(variant, groups, request, context, prices, solve)
        notes |= tried
    else:
        widths = solve(_excess(prices, request.keep))
    notes |= {f"{name} kept": round(p.share(widths), 4) for name, p in prices.items() if name != "latency"}
    return Plan(groups=groups, widths=widths, scores=scores, skipped=skipped, notes=notes)


@dataclass(frozen=True)
class _Price:
    """A cost of widths, and what the whole model costs."""

    cost: solver.Cost
    full: float

    def share(self, widths: Mapping[str, int]) -> float:
        return self.cost(widths) / self.full


def _prices(
    variant: Variant, groups: Sequence[Group], request: Request, context: Context
) -> tuple[dict[Amount, _Price], dict[str, Any]]:
    """What each wanted amount costs; the table of times goes into the notes."""
    blocks = {group.name: group.num_blocks for group in groups}
    found: dict[Amount, _Price] = {}
    notes: dict[str, Any] = {}
    for amount in request.keep:
        if amount == "latency":
            if context.cost is None:
                raise Unsupported("a latency target needs a backend to measure on", where="prune.latency")
            table, shown = measure_table(
                variant, groups, context.examples, context.cost, context.progress, branches=request.branches
            )
            found[amount] = _Price(table, table.full_ms)
            notes["saved_ms"] = shown
            continue
        layers = (
            costs.parameter_costs(variant.module, groups)
            if amount == "parameters"
            else costs.mac_costs(variant.module, groups, context.examples)
        )
        cost = costs.ProductCost(layers, blocks)
        found[amount] = _Price(cost, cost({}))
    return found, notes


def _excess(prices: Mapping[Amount, _Price], keep: Mapping[Amount, float]) -> solver.Cost:
    """How far widths are above their targets, as a sum of shares; 0 where all are kept."""

    def excess(widths: Mapping[str, int]) -> float:
        return sum(max(0.0, price.share(widths) - keep[amount]) for amount, price in prices.items())

    return excess


def _by_latency(
    variant: Variant,
    groups: Sequence[Group],
    request: Request,
    context: Context,
    prices: Mapping[Amount, _Price],
    solve: Callable[[solver.Cost], solver.Widths],
) -> tuple[solver.Widths, dict[str, Any]]:
    """Widths whose measured time is on target too: where the table was wrong its target is moved."""
    assert context.cost is not None
    full_ms = prices["latency"].full
    target = request.keep["latency"] * full_ms
    keep = dict(request.keep)
    tries: list[dict[str, float]] = []
    widths = solve(_excess(prices, keep))
    for _ in range(3):
        narrow = cut_to(variant, widths, groups, context.examples)
        now_full, now = context.cost([variant, narrow])
        measured = now * full_ms / now_full
        predicted = prices["latency"].cost(widths)
        tries.append({"predicted_ms": round(predicted, 4), "measured_ms": round(measured, 4)})
        if measured <= target * 1.03:
            break
        keep["latency"] -= (measured - target) / full_ms
        tighter = solve(_excess(prices, keep))
        if tighter == widths:
            break
        widths = tighter
    return widths, {"full_ms": round(full_ms, 4), "target_ms": round(target, 4), "tries": tries}


def _scores(
    variant: Variant, groups: Sequence[Group], request: Request, context: Context, epoch: int
) -> tuple[dict[str, Tensor], list[Skip]]:
    criterion = CRITERIA.get(request.criterion)
    gates: dict[str, Tensor] = {}
    if criterion.needs_gradients:
        device = choose_device(context.fit.device)
        batches = context.train.shuffled(32, seed=context.seed, epoch=epoch, device=device)
        count = min(context.train.num_batches(32), max(1, request.score_rows // 32))
        with moved(variant.module, device), context.progress.task("scoring channels", total=count) as task:

            def ticking() -> Iterator[Batch]:
                for batch, _ in zip(batches, range(count), strict=False):
                    yield batch
                    task.advance()

            gates = gate_scores(variant.module, groups, ticking(), context.loss)
    return block_scores(groups, criterion, gates, context.seed)


def liked_step(channels: int) -> int:
    """Between two widths worth having: about an eighth of the layer, in multiples of 16 from 32 channels on.

    Kernels compute 16 channels at once and pad the last ones, so 20 of 32 channels cost as much as all.
    """
    if channels < 32:
        return max(1, channels // 8)
    return max(16, round(channels / 128) * 16)


def _choices(group: Group, request: Request) -> list[int]:
    step = max(1, (request.round_to or liked_step(group.channels)) // group.block)
    least = max(1, round(group.num_blocks * (1 - request.max_ratio)))
    inner = [width for width in range(step, group.num_blocks, step) if width >= least]
    whole = [0] if request.branches and group.branch else []
    return [*whole, *inner, group.num_blocks]


def _scope(group: Group, ranking: Ranking) -> str:
    return {"global": "", "local": group.name, "isomorphic": group.shape_key}[ranking]


def _scaled_by_scope(scores: Mapping[str, Tensor], scope: Mapping[str, str]) -> dict[str, Tensor]:
    means: dict[str, float] = {}
    for key in set(scope.values()):
        inside = [scores[name] for name in scores if scope[name] == key]
        total, count = sum(float(s.sum()) for s in inside), sum(len(s) for s in inside)
        means[key] = max(total / count, 1e-12)
    return {name: score / means[scope[name]] for name, score in scores.items()}
