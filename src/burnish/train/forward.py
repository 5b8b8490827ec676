"""How the forward pass of a training runs: as it is, compiled (see `compiled`), or with activations computed again.

Activation checkpointing keeps the input of each block and computes what lies within once more for the backward pass,
with the same random numbers; statistics of normalization layers are counted once.
Source: Chen et al., "Training deep nets with sublinear memory cost" (2016).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import CheckpointError, checkpoint

from burnish.core.errors import Unsupported
from burnish.train.compiled import compiled
from burnish.train.settings import FitSettings
from burnish.train.units import blocks


@contextlib.contextmanager
def forward_pass(work: nn.Module, settings: FitSettings) -> Iterator[None]:
    """Within the block `work` runs as the settings say. Raises `Unsupported` where that cannot work."""
    with contextlib.ExitStack() as ending:
        if settings.checkpoint_activations:
            ending.enter_context(_recomputed(work))
        if settings.compile:
            ending.enter_context(compiled(work))
        yield


@contextlib.contextmanager
def _recomputed(work: nn.Module) -> Iterator[None]:
    """Single layers are left alone: their input is all that they keep."""
    found = {id(block): block for block in blocks(work) if next(block.children(), None) is not None}
    if not found:
        raise Unsupported(
            "no block was found whose activations could be computed again",
            where="checkpoint_activations",
            why="blocks are children of an nn.ModuleList or nn.Sequential that consist of several layers",
            help="set checkpoint_activations to false",
        )
    own = {key: block.forward for key, block in found.items() if "forward" in vars(block)}
    for block in found.values():
        block.forward = partial(_run, block.forward, block)
    try:
        yield
    except CheckpointError as error:
        raise Unsupported(
            "a block computes something else the second time",
            where="checkpoint_activations",
            why=str(error).splitlines()[0],
            help="set checkpoint_activations to false",
        ) from error
    finally:
        for key, block in found.items():
            del block.forward
            if key in own:
                block.forward = own[key]


def _run(forward: Callable[..., Any], block: nn.Module, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    if torch.compiler.is_compiling():  # what a compiled graph computes again has no effects
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)
    contexts = partial(_contexts, block)
    return checkpoint(forward, *args, use_reentrant=False, context_fn=contexts, **kwargs)


def _contexts(
    block: nn.Module,
) -> tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]:
    """Around the first and the second time."""
    return contextlib.nullcontext(), _other_buffers(block)


@contextlib.contextmanager
def _other_buffers(block: nn.Module) -> Iterator[None]:
    """The block's buffers are copies within, so that what is counted there is forgotten."""
    kept = [(part, dict(part._buffers)) for part in block.modules()]
    for part, buffers in kept:
        part._buffers.update({name: None if b is None else b.clone() for name, b in buffers.items()})
    try:
        yield
    finally:
        for part, buffers in kept:
            part._buffers.update(buffers)
