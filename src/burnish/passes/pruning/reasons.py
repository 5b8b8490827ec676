"""Why a group is left alone."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import torch
from torch import nn

from burnish.passes.pruning.group import Group, is_grouped


def why_not(group: Group, heads: Mapping[str, int], shared: Container[nn.Module], ignored: Sequence[str]) -> str:
    """Why this group stays whole; empty when it need not. `heads`: layer -> width of the heads it makes."""
    outs = [m.name for m in group.members if m.side == "out"]
    if any(name == prefix or name.startswith(prefix + ".") for name in outs for prefix in ignored):
        return "named in `ignore`"
    if any(heads.get(name) == 0 for name in outs):
        return "queries, keys and values share one fused projection"
    if not group.consumers():
        return "its channels are an output of the model"
    if any(isinstance(m.layer, nn.MultiheadAttention) for m in group.members):
        return "passes through nn.MultiheadAttention, whose heads cannot be cut apart"
    if tied := next((m.name for m in group.members if m.layer in shared), None):
        return f"{tied} shares its weight with another layer"
    if any(isinstance(m.layer, nn.RNNBase) for m in group.members):
        return "passes through a recurrent layer"
    if any(is_grouped(m.layer) for m in group.members):
        return "a grouped convolution reads or makes them, and its groups cannot be cut apart"
    if group.channels < 2 * group.block:
        return "too few channels"
    for member in group.members:
        counts = torch.bincount(member.channel, minlength=group.channels)
        if counts.min() != counts.max():
            return f"channels map unevenly onto {member.name}"
    return ""


def sharing(module: nn.Module) -> set[nn.Module]:
    """Layers whose parameters belong to other layers too."""
    owners: dict[int, list[nn.Module]] = {}
    for part in module.modules():
        for parameter in part.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(part)
    return {part for parts in owners.values() if len(parts) > 1 for part in parts}
