"""From amounts to widths: scores the groups, has the widths priced, and solves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor

from burnish.core.doors import CRITERIA
from burnish.core.errors import Unsupported
from burnish.core.evidence import Skip
from burnish.data.split import Batch
from burnish.model.variant import Variant
from burnish.passes.base import Context
from burnish.passes.pruning import solver
from burnish.passes.pruning.group import Group
from burnish.passes.pruning.prices import Amount, Prices, on_time, price
from burnish.passes.pruning.scores import block_scores, gate_scores
from burnish.train.device import choose_device, moved

Ranking = Literal["global", "local", "isomorphic"]

_TIGHTER = (1.0, 0.975, 0.95, 0.925)
"""Shares of the targets that the solver starts from: its jumps are coarse, and one that goes too far may end better."""


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

    A width of 0 takes the whole branch out: one block stays, which nobody reads. `reached` are the shares that are
    kept, of time as it was measured: above the target where no widths are cheap enough for it.
    """

    groups: list[Group]
    widths: dict[str, int]
    scores: dict[str, Tensor]
    skipped: list[Skip]
    notes: dict[str, Any] = field(default_factory=dict)
    prices: Prices | None = None
    reached: Mapping[Amount, float] = field(default_factory=dict)

    def channels_to_cut(self, group: Group) -> list[int]:
        """Root channels of the lowest-scored blocks that the plan removes."""
        order = self.scores[group.name].sort(stable=True).indices.tolist()
        gone = sorted(order[: group.num_blocks - max(1, self.widths[group.name])])
        return [block * group.block + i for block in gone for i in range(group.block)]


def make_plan(
    variant: Variant,
    groups: Sequence[Group],
    request: Request,
    context: Context,
    epoch: int = 0,
    prices: Prices | None = None,
) -> Plan:
    """Choose the widths. `prices` are those of a plan made before for the same model, which need not be measured again.

    Raises `Unsupported` when the criterion can score no group.
    """
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

    prices = prices or price(variant, groups, tuple(request.keep), request.branches, context)

    def solve(keep: Mapping[Amount, float]) -> solver.Widths:
        cost = prices.excess(keep)
        if request.ranking != "global":
            return solver.ratio_for(lambda ratio: solver.by_ratio(scores, choices, scope, ratio), cost, 0.0)
        starts: list[solver.Widths] = []
        for part in _TIGHTER:
            tighter = prices.excess({name: share * part for name, share in keep.items()})
            start = solver.greedy(scores, choices, tighter, 0.0)
            starts += [] if start in starts else [start]
        ends = [solver.refined(scores, choices, cost, 0.0, start) for start in starts]
        return min(ends, key=lambda widths: (cost(widths), solver.loss_of(scores, widths)))

    notes = dict(prices.notes)
    timed: dict[Amount, float] = {}
    if "latency" in request.keep:
        widths, tried = on_time(variant, groups, request.keep, context, prices, solve)
        notes |= tried
        timed["latency"] = tried["measured_ms"] / tried["full_ms"]
    else:
        widths = solve(request.keep)
    shares: dict[Amount, float] = {name: prices.share(name, widths) for name in request.keep if name != "latency"}
    notes |= {f"{name} kept": round(share, 4) for name, share in shares.items()}
    return Plan(
        groups=groups, widths=widths, scores=scores, skipped=skipped, notes=notes, prices=prices, reached=shares | timed
    )


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
