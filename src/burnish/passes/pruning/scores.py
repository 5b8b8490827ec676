"""Scores of every block of every group, by one criterion."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.evidence import Skip
from burnish.data.split import Batch
from burnish.model.variant import call
from burnish.passes.criterion import Criterion, GroupView
from burnish.passes.pruning.group import Group, Member
from burnish.train.settings import Loss


def block_scores(
    groups: Sequence[Group], criterion: Criterion, gates: Mapping[str, Tensor], seed: int
) -> tuple[dict[str, Tensor], list[Skip]]:
    """Score of each block [num_blocks] by group name; groups the criterion cannot score apart.

    Unless the criterion's scores are comparable, each group's are scaled to a mean of one.
    """
    scores: dict[str, Tensor] = {}
    skipped: list[Skip] = []
    for group in groups:
        try:
            channel = criterion.score(view(group, gates.get(group.name), seed)).double()
        except Unsupported as error:
            skipped.append(Skip(where=group.name, why=error.what))
            continue
        block = channel.reshape(group.num_blocks, group.block).sum(1)
        scores[group.name] = block if criterion.comparable else block / block.mean().clamp_min(1e-12)
    return scores, skipped


def view(group: Group, gates: Tensor | None, seed: int) -> GroupView:
    """The group's weights arranged with one row per channel, detached."""
    return GroupView(
        name=group.name,
        channels=group.channels,
        producers=tuple(rows(m, m.layer.weight.detach(), group.channels) for m in group.producers()),  # type: ignore[operator]
        consumers=tuple(rows(m, m.layer.weight.detach(), group.channels) for m in group.consumers()),  # type: ignore[operator]
        scales=tuple(_scale(m, group.channels) for m in group.norms() if m.layer.weight is not None),
        gates=gates,
        seed=seed,
    )


def rows(member: Member, weight: Tensor, channels: int) -> Tensor:
    """A layer's weight as [C, K]: row c is all that belongs to channel c."""
    picked = weight.movedim(_channel_dim(member), 0)[member.index].flatten(1)
    order = torch.argsort(member.channel, stable=True)
    return picked[order].reshape(channels, -1)


def gate_scores(
    module: nn.Module, groups: Sequence[Group], batches: Iterable[Batch], loss: Loss, label: str = ""
) -> dict[str, Tensor]:
    """Mean over batches of the squared derivative of the loss by a gate on each channel, [C].

    A gate where a channel is read scales the consumer's weight column, so its derivative is the sum of
    weight times gradient over the column. Batches are on the module's device; the scores on the processor.

    Raises `Unsupported` naming `label` without batches.
    """
    total = {group.name: torch.zeros(group.channels, dtype=torch.float64) for group in groups}
    seen = 0
    module.eval()
    for batch in batches:
        module.zero_grad(set_to_none=True)
        loss(call(module, batch.inputs), batch.targets).backward()  # type: ignore[no-untyped-call]
        seen += 1
        for group in groups:
            gate = torch.zeros(group.channels, dtype=torch.float64)
            for member in group.consumers():
                weight = member.layer.weight
                if isinstance(weight, Tensor) and weight.grad is not None:
                    each = (weight.detach() * weight.grad).movedim(_channel_dim(member), 0).flatten(1)
                    gate.index_add_(0, member.channel, each.sum(1, dtype=torch.float64).cpu()[member.index])
            total[group.name] += gate.square()
    module.zero_grad(set_to_none=True)
    if not seen:
        raise Unsupported("no batches to take gradients on", where=label)
    return {name: value / seen for name, value in total.items()}


def _channel_dim(member: Member) -> int:
    layer = member.layer
    if isinstance(layer, nn.Embedding):
        return 1
    transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
    return int((member.side == "in") != transposed)


def _scale(member: Member, channels: int) -> Tensor:
    weight = member.layer.weight
    if not isinstance(weight, Tensor):
        raise Unsupported("the normalization has no scale", where=member.name)
    return rows(member, weight.detach().unsqueeze(1), channels).mean(1)
