"""Comparing inner features of models of different width.

Feature maps are compared by what does not depend on the number of channels: where the energy lies
(attention transfer, Zagoruyko & Komodakis 2017) for maps with positions, and how alike the rows of
the batch are (similarity-preserving distillation, Tung & Mori 2019) for vectors. Attention layers
are compared by the relations among queries, among keys and among values (MiniLMv2, Wang et al.
2021), which do not depend on the number of heads either.
"""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class _Attention(TorchFunctionMode):
    def __init__(self, seen: list[tuple[Tensor, Tensor, Tensor]]) -> None:
        super().__init__()
        self._seen = seen

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is nn.functional.scaled_dot_product_attention and len(args) >= 3:
            self._seen.append((args[0], args[1], args[2]))
        return func(*args, **(kwargs or {}))


class Watcher:
    """Within its block, keeps the outputs of a model's stages and the inputs of its attention.

    A stage is a child of a `ModuleList` or `Sequential` that has children itself: the blocks of the
    network, whatever they are called.
    """

    def __init__(self, module: nn.Module) -> None:
        self.features: dict[str, Tensor] = {}
        self.attention: list[tuple[Tensor, Tensor, Tensor]] = []
        self._module = module
        self._mode = _Attention(self.attention)
        self._handles: list[Any] = []

    def __enter__(self) -> Self:
        for name, part in _stages(self._module).items():
            self._handles.append(part.register_forward_hook(self._keep(name)))
        self._mode.__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._mode.__exit__(kind, error, trace)  # type: ignore[no-untyped-call]
        for handle in self._handles:
            handle.remove()

    def _keep(self, name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_part: nn.Module, _inputs: Any, output: Any) -> None:
            first = output[0] if isinstance(output, tuple) else output
            if isinstance(first, Tensor):
                self.features[name] = first

        return hook


def feature_loss(student: Watcher, teacher: Watcher) -> Tensor:
    """Mean distance over the stages that both models have; zero when they share none."""
    names = [name for name in teacher.features if name in student.features]
    parts = [_feature_distance(student.features[n].float(), teacher.features[n].float()) for n in names]
    return torch.stack(parts).mean() if parts else torch.zeros(())


def attention_loss(student: Watcher, teacher: Watcher) -> Tensor:
    """Mean KL of query, key and value relations over all attention layers; zero without any."""
    parts = [
        _relation_distance(ours.float(), theirs.float())
        for mine, other in zip(student.attention, teacher.attention, strict=False)
        for ours, theirs in zip(mine, other, strict=True)
    ]
    return torch.stack(parts).mean() if parts else torch.zeros(())


def _stages(module: nn.Module) -> dict[str, nn.Module]:
    found: dict[str, nn.Module] = {}
    for path, holder in module.named_modules():
        if isinstance(holder, nn.ModuleList | nn.Sequential):
            for name, part in holder.named_children():
                if any(True for _ in part.children()):
                    found[f"{path}.{name}" if path else name] = part
    return found


def _feature_distance(student: Tensor, teacher: Tensor) -> Tensor:
    if student.shape[0] != teacher.shape[0]:
        return student.new_zeros(())
    if student.dim() == 3 and student.shape[1] == teacher.shape[1]:
        return _relation_distance(student.unsqueeze(1), teacher.unsqueeze(1))
    if student.dim() > 3 and student.shape[2:] == teacher.shape[2:]:
        ours, theirs = (nn.functional.normalize(t.square().mean(1).flatten(1), dim=1) for t in (student, teacher))
        return (ours - theirs).square().sum(1).mean()
    ours, theirs = (nn.functional.normalize(t.flatten(1) @ t.flatten(1).T, dim=1) for t in (student, teacher))
    return (ours - theirs).square().sum(1).mean()


def _relation_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """KL between softmaxed scaled self-products of [B, H, L, D] tensors, heads joined."""
    wanted, given = (_relation(t) for t in (teacher, student))
    return nn.functional.kl_div(given, wanted, reduction="none", log_target=True).sum(-1).mean()


def _relation(heads: Tensor) -> Tensor:
    joined = heads.transpose(1, 2).flatten(2)
    scores: Tensor = joined @ joined.transpose(1, 2) / joined.shape[-1] ** 0.5
    return scores.log_softmax(-1)
