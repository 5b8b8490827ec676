"""Which channels belong to one attention head, found by watching the model run.

Attention is seen where the model calls `scaled_dot_product_attention`: the query's shape gives the
number of heads, and the autograd graph behind it leads to the projections it came from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from burnish.model.variant import call

Name = TypeVar("Name")


class _Watch(TorchFunctionMode):
    """Notes the number of heads and the autograd node of each query, key and value, and of what comes out."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, Any]] = []
        self.made: list[Any] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is nn.functional.scaled_dot_product_attention:
            query, key, value = (list(args) + [kwargs.get(n) for n in ("query", "key", "value")[len(args) :]])[:3]
            for tensor in (query, key, value):
                self.seen.append((tensor.shape[1], tensor.shape[-1], tensor.grad_fn))
            output = func(*args, **kwargs)
            self.made.append(output.grad_fn)
            return output
        return func(*args, **kwargs)


@dataclass(frozen=True)
class FusedHeads:
    """One linear layer `projection` makes queries, keys and values; `output` reads what attention makes.

    The rows of `projection` are [3, heads, width], the columns of `output` are [heads, width].
    """

    projection: str
    output: str
    heads: int
    width: int


def attention_projections(module: nn.Module, inputs: Mapping[str, Tensor]) -> dict[str, int]:
    """Path of each linear layer that makes queries, keys or values -> width of one head.

    A projection that makes more than one of them (fused) is given as 0.
    """
    linears, watch, owner, _ = _observe(module, inputs)
    widths: dict[str, int] = {}
    for heads, width, node in watch.seen:
        name = _behind(node, owner)
        if name is not None:
            fused = linears[name].out_features != heads * width
            widths[name] = 0 if fused else width
    return widths


def fused_heads(module: nn.Module, inputs: Mapping[str, Tensor]) -> list[FusedHeads]:
    """Every attention whose queries, keys and values come from one linear layer and go to one other."""
    linears, watch, owner, readers = _observe(module, inputs)
    after = {made: number for number, made in enumerate(watch.made)}
    reader = {number: name for name, node in readers.items() if (number := _behind(node, after)) is not None}
    found = []
    for number in range(len(watch.made)):
        rows = watch.seen[3 * number : 3 * number + 3]
        heads, width, _ = rows[0]
        sources = {_behind(node, owner) for _, _, node in rows}
        projection, output = sources.pop(), reader.get(number)
        if sources or projection is None or output is None:
            continue
        fits = linears[projection].out_features == 3 * heads * width and linears[output].in_features == heads * width
        if fits and all((h, w) == (heads, width) for h, w, _ in rows):
            found.append(FusedHeads(projection, output, heads, width))
    return found


def _observe(
    module: nn.Module, inputs: Mapping[str, Tensor]
) -> tuple[dict[str, nn.Linear], _Watch, dict[Any, str], dict[str, Any]]:
    """Run once: the linear layers, what attention saw, who made a node, and what node each layer reads."""
    owner: dict[Any, str] = {}
    readers: dict[str, Any] = {}

    def note(name: str) -> Callable[[nn.Module, Any, Tensor], None]:
        def hook(_part: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
            owner[output.grad_fn] = name
            readers[name] = given[0].grad_fn if given else None

        return hook

    linears = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    handles = [part.register_forward_hook(note(name)) for name, part in linears.items()]
    training = module.training
    module.eval()
    try:
        with torch.enable_grad(), _Watch() as watch:
            call(module, inputs)
    finally:
        for handle in handles:
            handle.remove()
        module.train(training)
    return linears, watch, owner, readers


def _behind(node: Any, owner: Mapping[Any, Name]) -> Name | None:
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
