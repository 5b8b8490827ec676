"""The contract of pruning criteria, on a network in which half of the channels do nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from burnish.core.doors import CRITERIA
from burnish.core.errors import Unsupported
from burnish.data.split import Split
from burnish.passes.criterion import Criterion
from burnish.passes.pruning.group import Group
from burnish.passes.pruning.groups import Graph, trace
from burnish.passes.pruning.scores import gate_scores, view
from burnish.testing.backends import TinyImages, image_inputs
from burnish.train.losses import cross_entropy

_SEEDS = range(6)


def check_criterion(criterion: Criterion, *, control: bool = False) -> None:
    """Hold a criterion to its contract.

    Scores are one finite number >= 0 per channel, and the same when asked twice. On planted networks
    (half of the channels have tiny weights, a tiny normalization scale, and are hardly read) the
    useful channels are kept clearly more often than at random, over several seeds. `control`
    excuses from the last rule: the criterion that draws at random.
    """
    ours: list[float] = []
    chance: list[float] = []
    random: Criterion = CRITERIA.get("random")
    for seed in _SEEDS:
        graph, useful = planted(seed)
        gates = _gates(graph, seed) if criterion.needs_gradients else {}
        scored = _scores(criterion, graph.groups, gates, seed)
        assert scored, "at least one group of a convolutional network can be scored"
        again = _scores(criterion, graph.groups, gates, seed)
        assert all(torch.equal(scored[name], again[name]) for name in scored), "asked twice, the scores are the same"
        ours += [_kept(score, useful[name]) for name, score in scored.items()]
        chance += [_kept(score, useful[name]) for name, score in _scores(random, graph.groups, {}, seed).items()]
    if not control:
        share, by_chance = float(np.mean(ours)), float(np.mean(chance))
        assert share > by_chance + 0.15, f"useful channels are kept more often than at random ({share:.2f})"


def planted(seed: int) -> tuple[Graph, dict[str, Tensor]]:
    """A network of two convolutions, and which channels of each group are useful, bool [C]."""
    torch.manual_seed(seed)
    module = TinyImages().eval()
    graph = trace(module, image_inputs(2))
    useful: dict[str, Tensor] = {}
    for group in graph.groups:
        mask = torch.zeros(group.channels, dtype=torch.bool)
        mask[torch.randperm(group.channels)[: group.channels // 2]] = True
        useful[group.name] = mask
        _plant(group, ~mask)
    return graph, useful


@torch.no_grad()
def _plant(group: Group, useless: Tensor) -> None:
    gone = useless.nonzero().flatten()
    for member in group.members:
        weight, bias = member.layer.weight, member.layer.bias
        assert isinstance(weight, Tensor) and isinstance(bias, Tensor)
        entries = member.index[torch.isin(member.channel, gone)]
        if member in group.consumers():
            weight[:, entries] *= 0.02
        else:
            weight[entries] *= 0.02
            bias[entries] *= 0.02


def _gates(graph: Graph, seed: int) -> dict[str, Tensor]:
    generator = np.random.default_rng(seed)
    split = Split(
        inputs={"image": generator.standard_normal((32, 3, 12, 12)).astype(np.float32)},
        targets=generator.integers(0, 5, 32),
    )
    return gate_scores(graph.module, graph.groups, split.in_order(8), cross_entropy())


def _scores(criterion: Criterion, groups: Sequence[Group], gates: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for group in groups:
        try:
            score = criterion.score(view(group, gates.get(group.name), seed))
        except Unsupported:
            continue
        assert tuple(score.shape) == (group.channels,), "one score per channel"
        assert bool(torch.isfinite(score).all()), "scores are finite"
        assert bool((score >= 0).all()), "scores are not negative"
        found[group.name] = score
    return found


def _kept(score: Tensor, useful: Tensor) -> float:
    """Share of the useful channels among the best half."""
    best = score.argsort(descending=True, stable=True)[: int(useful.sum())]
    return float(useful[best].float().mean())
