"""Which channels belong to one attention head, found by watching the model run.

Attention is seen where the model calls `scaled_dot_product_attention`: the query's shape gives the
number of heads, and the autograd graph behind it leads to the projections it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from burnish.model.variant import call


class _Watch(TorchFunctionMode):
    """Notes the number of heads and the autograd node of each query, key and value."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, Any]] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.scaled_dot_product_attention:
            query, key, value = (list(args) + [kwargs.get(n) for n in ("query", "key", "value")[len(args) :]])[:3]
            for tensor in (query, key, value):
                self.seen.append((tensor.shape[1], tensor.shape[-1], tensor.grad_fn))
        return func(*args, **kwargs)


def attention_projections(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Path of each linear layer that makes queries, keys or values -> width of one head.

    A projection that makes more than one of them (fused) is given as 0.
    """
    owner: dict[Any, str] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_part: nn.Module, _inputs: Any, output: Tensor) -> None:
            owner[output.grad_fn] = name

        return hook

    linears = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    handles = [part.register_forward_hook(note(name)) for name, part in linears.items()]
    try:
        with torch.enable_grad(), _Watch() as watch:
            call(module, inputs)
    finally:
        for handle in handles:
            handle.remove()
    widths: dict[str, int] = {}
    for heads, width, node in watch.seen:
        name = _behind(node, owner)
        if name is not None:
            fused = linears[name].out_features != heads * width
            widths[name] = 0 if fused else width
    return widths


def _behind(node: Any, owner: Mapping[Any, str]) -> str | None:
    """The nearest projection behind an autograd node, following single inputs only."""
    for _ in range(12):
        if node is None:
            return None
        if node in owner:
            return owner[node]
        following = [item[0] for item in node.next_functions if item[0] is not None]
        if not following:
            return None
        node = following[0]
    return None
