"""Blocks of a model that a sharded run gathers one after the other."""

from __future__ import annotations

from torch import nn

_LEAST = 0.005
"""A block with a smaller share of the parameters stays with what surrounds it: it is not worth an exchange."""


def units(module: nn.Module) -> list[nn.Module]:
    """The children of the outermost `ModuleList`s and `Sequential`s, the blocks of the network, in order.

    Left out are small ones, and those that share a parameter with what lies outside (tied embeddings).
    """
    total = sum(param.numel() for param in module.parameters())
    found = blocks(module)
    holders: dict[int, int] = {}
    for part in module.modules():
        for param in part.parameters(recurse=False):
            holders[id(param)] = holders.get(id(param), 0) + 1
    kept = []
    for unit in found:
        inside: dict[int, int] = {}
        for part in unit.modules():
            for param in part.parameters(recurse=False):
                inside[id(param)] = inside.get(id(param), 0) + 1
        size = sum(param.numel() for param in unit.parameters())
        if size and size >= _LEAST * total and all(holders[key] == count for key, count in inside.items()):
            kept.append(unit)
    return kept


def blocks(module: nn.Module) -> list[nn.Module]:
    """The children of the outermost `ModuleList`s and `Sequential`s, whatever their size."""
    found: list[nn.Module] = []
    _collect(module, found)
    return found


def _collect(module: nn.Module, found: list[nn.Module]) -> None:
    if isinstance(module, nn.ModuleList | nn.Sequential):
        found += [child for child in module.children() if not isinstance(child, nn.ModuleList)]
        return
    for child in module.children():
        _collect(child, found)
