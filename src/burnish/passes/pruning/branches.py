"""Whole residual branches: which may go, the proof that the surgery is right, and the surgery.

A branch is a group between a residual stream and one layer that adds to that stream again. Time on
wide registers falls by whole layers long before it falls by channels, so where a stream is narrow
this is what makes a network faster.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn

from burnish.model.branch import replace_branch
from burnish.model.variant import MODEL_ERRORS, predict
from burnish.passes.pruning.group import Group

_TOLERANCE = 1e-3

Inputs = Mapping[str, Tensor]


def proven_branches(module: nn.Module, groups: Sequence[Group], inputs: Inputs) -> list[Group]:
    """The same groups; `branch` stays only where taking it out is right on this module.

    Proof: with the last layer's weights at zero the branch is constant, and taking it out must not change the
    outputs.
    """
    for spread in (False, True):
        tried = [replace(group, spread=spread) for group in groups]
        branches = [group for group in tried if group.branch]
        if not branches or _right(module, branches, inputs):
            return tried
    return [_alone(module, group, inputs) if group.branch else group for group in groups]


def _alone(module: nn.Module, group: Group, inputs: Inputs) -> Group:
    """The group as it may go when it goes alone."""
    for spread in (False, True):
        if _right(module, [tried := replace(group, spread=spread)], inputs):
            return tried
    return replace(group, branch=False)


def still_branch(module: nn.Module, group: Group, batches: Sequence[Inputs]) -> None:
    """Let the branch give the mean of what it gives now, whatever happens to its inside from here on."""
    last, norm, mean = _mean(module, group, batches)
    layer = module.get_submodule(last)
    with torch.no_grad():
        layer.get_parameter("weight").zero_()
        if norm and isinstance(found := module.get_submodule(norm).weight, Tensor):
            found.zero_()
            module.get_submodule(norm).get_parameter("bias").copy_(mean)
        elif not norm:
            layer.bias = nn.Parameter(mean)


def drop_branch(module: nn.Module, group: Group, batches: Sequence[Inputs]) -> tuple[str, str]:
    """Replace the branch's last layer, and the BatchNorm behind it, by the mean of what they give.

    Gives their paths; "" when there is no such norm.
    """
    last, norm, mean = _mean(module, group, batches)
    layer = module.get_submodule(last)
    value = mean if isinstance(layer, nn.Linear) else mean.reshape(1, -1, *[1] * _places(layer))
    replace_branch(module, last, norm, value, group.spread)
    return last, norm


def _mean(module: nn.Module, group: Group, batches: Sequence[Inputs]) -> tuple[str, str, Tensor]:
    """Paths of the branch's last layer and of the norm behind it, and the mean [C] of what they give."""
    last = group.consumers()[0].name
    norm = _norm_behind(module, last, batches[0])
    axis = -1 if isinstance(module.get_submodule(last), nn.Linear) else 1
    total, count = torch.zeros(()), 0

    def add(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        nonlocal total, count
        rows = output.detach().float().movedim(axis, -1).flatten(0, -2)
        total, count = total + rows.sum(0), count + len(rows)

    handle = module.get_submodule(norm or last).register_forward_hook(add)
    try:
        for batch in batches:
            predict(module, batch)
    finally:
        handle.remove()
    return last, norm, total / count


def _places(layer: nn.Module) -> int:
    """Spatial dimensions of a convolution."""
    weight = layer.get_parameter("weight")
    return weight.dim() - 2


def _norm_behind(module: nn.Module, last: str, inputs: Inputs) -> str:
    """Path of the BatchNorm that reads exactly what `last` gives, "" when there is none."""
    made: list[Tensor] = []
    found: list[str] = []

    def made_by(_module: nn.Module, _inputs: object, output: Tensor) -> None:
        made.append(output)

    def reads(name: str, args: tuple[object, ...]) -> None:
        if any(arg is tensor for arg in args for tensor in made):
            found.append(name)

    handles = [module.get_submodule(last).register_forward_hook(made_by)]
    for name, part in module.named_modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            handles.append(part.register_forward_pre_hook(lambda _part, args, name=name: reads(name, args)))
    try:
        predict(module, inputs)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if len(found) == 1 else ""


def _right(module: nn.Module, branches: Sequence[Group], inputs: Inputs) -> bool:
    silent = copy.deepcopy(module).eval()
    with torch.no_grad():
        for group in branches:
            silent.get_submodule(group.consumers()[0].name).get_parameter("weight").zero_()
    try:
        wanted = predict(silent, inputs)
        for group in branches:
            drop_branch(silent, group, [inputs])
        found = predict(silent, inputs)
    except MODEL_ERRORS:
        return False
    return all(
        left.shape == right.shape
        and torch.allclose(left, right, rtol=_TOLERANCE, atol=_TOLERANCE * max(1e-6, float(left.float().std())))
        for left, right in zip(wanted, found, strict=True)
    )
