"""The proof of surgery: removing channels nobody reads must not change the output.

For a few blocks of each group the consumers' weights are set to zero in a copy; the same blocks are
then cut out of another copy, and the outputs compared. Groups that fail are left alone. Where a
normalization over channels (LayerNorm, GroupNorm) lies in the group its statistics change by
design, so only shapes are compared there.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.evidence import Skip
from burnish.model.variant import MODEL_ERRORS, predict
from burnish.passes.pruning.group import Group
from burnish.passes.pruning.groups import Graph, dependencies

_TOLERANCE = 1e-3


def proven(graph: Graph, inputs: Mapping[str, Tensor]) -> tuple[list[Group], list[Skip]]:
    """The groups whose surgery is right on this module, and why the others are not.

    All groups are tried together first; only when that fails is each tried alone.
    """
    if not graph.groups or _check(graph.module, graph.groups, inputs) == "":
        return graph.groups, []
    good: list[Group] = []
    skipped: list[Skip] = []
    for group in graph.groups:
        fault = _check(graph.module, [group], inputs)
        if fault:
            skipped.append(Skip(where=group.name, why=fault))
        else:
            good.append(group)
    return good, skipped


def probe(group: Group) -> list[int]:
    """The channels the check removes: about a quarter of the blocks, spread out, one at least."""
    blocks = range(0, group.num_blocks, 4)
    keep_one = list(blocks)[: max(1, group.num_blocks - 1)]
    return [b * group.block + i for b in keep_one for i in range(group.block)]


def _check(module: nn.Module, groups: Sequence[Group], inputs: Mapping[str, Tensor]) -> str:
    silent = copy.deepcopy(module)
    try:
        for group in groups:
            _silence(silent, group)
        cut = dependencies(copy.deepcopy(silent), inputs)
        for group in groups:
            cut.remove(group, probe(group))
            retune(cut.module, group, len(probe(group)))
        wanted, found = predict(silent, inputs), predict(cut.module, inputs)
    except Unsupported as error:
        return error.what
    except MODEL_ERRORS as error:
        return f"the model does not run after surgery: {_first_line(error)}"
    if [t.shape for t in wanted] != [t.shape for t in found]:
        return "the output's shape depends on these channels"
    if any(_over_channels(m.layer) for group in groups for m in group.norms()):
        return ""
    for left, right in zip(wanted, found, strict=True):
        spread = float(left.float().std()) if left.numel() > 1 else 1.0
        if not torch.allclose(left, right, rtol=_TOLERANCE, atol=_TOLERANCE * max(spread, 1e-6)):
            return "removing channels that nobody reads changes the output"
    return ""


def _silence(module: nn.Module, group: Group) -> None:
    gone = torch.tensor(probe(group))
    for member in group.consumers():
        weight = module.get_submodule(member.name).weight
        if not isinstance(weight, Tensor):
            continue
        entries = member.index[torch.isin(member.channel, gone)]
        layer = member.layer
        transposed = isinstance(layer, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d)
        with torch.no_grad():
            weight.data.movedim(0 if transposed else 1, 0)[entries] = 0


def retune(module: nn.Module, group: Group, removed: int) -> None:
    """Correct plain attributes beside the cut layers that repeat a width or a number of heads."""
    width = group.channels
    for member in group.producers():
        parent = module.get_submodule(member.name.rpartition(".")[0])
        for key, value in list(vars(parent).items()):
            if not isinstance(value, int) or isinstance(value, bool):
                continue
            if group.kind == "heads" and _counts_heads(key, value, group):
                setattr(parent, key, (width - removed) // group.block)
            elif value == width and not key.startswith("_") and key != "training":
                setattr(parent, key, width - removed)


def _counts_heads(key: str, value: int, group: Group) -> bool:
    """Is this the number of heads, by value and name? A head may be as wide as there are heads."""
    if "head" not in key or value != group.num_blocks:
        return False
    return value != group.block or not any(word in key for word in ("dim", "size", "width", "channels"))


def _over_channels(layer: nn.Module) -> bool:
    return isinstance(layer, nn.LayerNorm | nn.GroupNorm)


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0][:160] if str(error) else type(error).__name__
