"""Groups: channels that can only be removed together, found by Torch-Pruning.

Torch-Pruning is imported here and nowhere else. A group is a root layer whose output channels can
go, with every layer that must follow. Source: Fang et al., "DepGraph: Towards Any Structural
Pruning", CVPR 2023.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.core.evidence import Skip
from burnish.model.variant import MODEL_ERRORS
from burnish.passes.pruning.group import CONVS, Group, Member, is_depthwise, is_norm
from burnish.passes.pruning.heads import FusedHeads, attention_projections, fused_heads
from burnish.passes.pruning.reasons import sharing, why_not

_MOST_ENTRIES = 1_000_000


@dataclass
class Graph:
    """The dependency graph of one module; `remove` changes that module in place."""

    module: nn.Module
    groups: list[Group] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    graph: Any = None

    def remove(self, group: Group, channels: Sequence[int]) -> None:
        """Take these root channels, and all that depends on them, out of the module."""
        if group.fused:
            _cut_fused(self.module, group, channels)
            return
        layer = self.module.get_submodule(group.name)
        function = self.graph.get_pruner_of_module(layer).prune_out_channels
        plan = self.graph.get_pruning_group(layer, function, list(channels))
        if not self.graph.check_pruning_group(plan):
            raise Unsupported("the surgery would leave a layer without channels", where=group.name)
        plan.prune()


def dependencies(module: nn.Module, inputs: Mapping[str, Tensor]) -> Graph:
    """The module's graph, ready to `remove` groups, without looking for any.

    Raises `Unsupported` when the module cannot be traced.
    """
    import torch_pruning as tp

    training = module.training
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            graph = tp.DependencyGraph().build_dependency(module, example_inputs=dict(inputs), verbose=False)
        except MODEL_ERRORS as error:
            raise Unsupported(
                "the model's layers cannot be traced for pruning",
                where=type(module).__name__,
                why=_shown(error),
                help="drop the prune pass, or name the part that fails in `ignore`",
            ) from error
    module.train(training)
    return Graph(module=module, graph=graph)


def trace(module: nn.Module, inputs: Mapping[str, Tensor], ignored: Sequence[str] = ()) -> Graph:
    """Find every group of the module. `ignored` are path prefixes to leave alone.

    Raises `Unsupported` when the module cannot be traced.
    """
    result = dependencies(module, inputs)
    names = {part: name for name, part in module.named_modules()}
    heads = attention_projections(module, inputs)
    shared = sharing(module)
    seen: set[str] = set()
    streams: set[str] = set()
    for root in [layer for layer in result.graph.module2node if isinstance(layer, (*CONVS, nn.Linear))]:
        if root not in names or names[root] in seen:
            continue
        try:
            group = _group(_coupled(result.graph, root), names, heads)
        except MODEL_ERRORS as error:
            result.skipped.append(Skip(where=names[root], why=f"cannot be followed: {_shown(error)}"))
            continue
        seen.update(member.name for member in group.members if member.side == "out")
        if group.stream:
            streams.update(member.name for member in group.producers())
        reason = why_not(group, heads, shared, ignored)
        if reason:
            result.skipped.append(Skip(where=group.name, why=reason))
        else:
            result.groups.append(group)
    fused = [_fused_group(module, found) for found in fused_heads(module, inputs)]
    named = {group.name: group for group in fused if not why_not(group, {}, shared, ignored)}
    result.skipped = [skip for skip in result.skipped if skip.where not in named]
    result.groups += named.values()
    result.groups = [replace(group, branch=_is_branch(group, streams)) for group in result.groups]
    return result


def _is_branch(group: Group, streams: Container[str]) -> bool:
    readers = group.consumers()
    if group.stream or group.fused or len(readers) != 1 or not isinstance(readers[0].layer, (*CONVS, nn.Linear)):
        return False
    return readers[0].name in streams and not is_depthwise(readers[0].layer)


def _coupled(graph: Any, root: nn.Module) -> Any:
    """All that must go with the root's output channels; gives up on what multiplies without end."""
    from torch_pruning.dependency import graph as internals

    class Bounded(internals.Group):  # type: ignore[misc]
        """Counts the entries that it is given."""

        entries = 0

        def add_dep(self, dep: Any, idxs: Any) -> None:
            self.entries += len(idxs)
            if self.entries > _MOST_ENTRIES:
                raise RuntimeError("its channels spread over too many places")
            super().add_dep(dep, idxs)

    pruner = graph.get_pruner_of_module(root)
    with _replaced(internals, "Group", Bounded):
        return graph.get_pruning_group(root, pruner.prune_out_channels, list(range(pruner.get_out_channels(root))))


@contextlib.contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put `value` in the place of an attribute for the length of a block."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _shown(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__


def _fused_group(module: nn.Module, found: FusedHeads) -> Group:
    width = found.heads * found.width
    channel = torch.arange(width)
    rows = torch.cat([channel, channel + width, channel + 2 * width])
    made, read = module.get_submodule(found.projection), module.get_submodule(found.output)
    members = (
        Member(found.projection, made, "out", rows, channel.repeat(3)),
        Member(found.output, read, "in", channel, channel),
    )
    return Group(found.projection, "heads", width, found.width, members, stream=False, fused=True)


def _cut_fused(module: nn.Module, group: Group, channels: Sequence[int]) -> None:
    import torch_pruning as tp

    for member in group.members:
        cut = tp.prune_linear_out_channels if member.side == "out" else tp.prune_linear_in_channels
        entries = member.index[torch.isin(member.channel, torch.tensor(channels))]
        cut(module.get_submodule(member.name), entries.tolist())


def _group(found: Any, names: Mapping[nn.Module, str], heads: Mapping[str, int]) -> Group:
    members: dict[tuple[str, str], Member] = {}
    for item in found.items:
        dep, layer = item.dep, item.dep.target.module
        if layer not in names:
            continue
        side = "out" if "out" in dep.handler.__name__ and not is_norm(layer) else "in"
        if is_depthwise(layer) or is_norm(layer):
            side = "out"
        index = torch.tensor(item.idxs)
        channel = torch.tensor(item.root_idxs)
        members.setdefault((names[layer], side), Member(names[layer], layer, side, index, channel))
    root = names[found[0].dep.target.module]
    channels = len(found[0].idxs)
    all_members = tuple(members.values())
    width = max([heads.get(m.name, 0) for m in all_members if m.side == "out"], default=0)
    convs = [m for m in all_members if isinstance(m.layer, CONVS)]
    producers = [m for m in all_members if m.side == "out" and isinstance(m.layer, (*CONVS, nn.Linear, nn.Embedding))]
    dense = [m for m in producers if not is_depthwise(m.layer)]
    stream = len(dense) > 1 and not width
    kind = "heads" if width else "stream" if stream else "conv" if convs else "linear"
    return Group(root, kind, channels, width or 1, all_members, stream)
