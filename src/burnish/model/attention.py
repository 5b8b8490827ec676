"""Attention with a linear layer for each of queries, keys and values, in the place of `nn.MultiheadAttention`.

There the three share one weight and the number of heads times their width is the width of the input, so heads
cannot be cut. Here they can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional

from burnish.core.errors import ArtifactError, Unsupported
from burnish.core.manifest import Record
from burnish.model.variant import MODEL_ERRORS, Variant, predict

_TOLERANCE = 1e-4


class SplitAttention(nn.Module):
    """What `whole` computes. There are as many heads as `query` makes; the weights of attention are never given."""

    in_proj_bias = None  # tells nn.TransformerEncoderLayer not to read the weights past this module

    def __init__(self, whole: nn.MultiheadAttention) -> None:
        super().__init__()
        self.head_dim, self.batch_first, self.dropout = whole.head_dim, whole.batch_first, whole.dropout
        parts = (whole.q_proj_weight, whole.k_proj_weight, whole.v_proj_weight)
        weights = whole.in_proj_weight.chunk(3) if whole.in_proj_weight is not None else parts
        biases = whole.in_proj_bias.chunk(3) if whole.in_proj_bias is not None else (None,) * 3
        self.query, self.key, self.value = (_linear(w, b) for w, b in zip(weights, biases, strict=True))
        self.out_proj = _linear(whole.out_proj.weight, whole.out_proj.bias)

    def forward(
        self,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,  # noqa: ARG002
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,  # noqa: ARG002
        is_causal: bool = False,  # noqa: ARG002
    ) -> tuple[Tensor, None]:
        """As `nn.MultiheadAttention.forward`, for batches [N, L, E] ([L, N, E] when not `batch_first`)."""
        if query.dim() != 3 or (attn_mask is not None and attn_mask.dim() != 2):
            raise ValueError("attention with its heads apart wants batches, and one mask for all heads")
        made = (self.query(query), self.key(key), self.value(value))
        q, k, v = (self._heads(x if self.batch_first else x.transpose(0, 1)) for x in made)
        mask = None if attn_mask is None else _added(attn_mask, q.dtype)
        if key_padding_mask is not None:
            padding = _added(key_padding_mask, q.dtype)[:, None, None, :]
            mask = padding if mask is None else mask + padding
        dropout = self.dropout if self.training else 0.0
        mixed = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        found = self.out_proj(mixed.transpose(1, 2).flatten(2))
        return (found if self.batch_first else found.transpose(0, 1)), None

    def _heads(self, x: Tensor) -> Tensor:
        """[N, L, heads * head_dim] -> [N, heads, L, head_dim]."""
        return x.reshape(*x.shape[:2], -1, self.head_dim).transpose(1, 2)


def split_attention(variant: Variant, inputs: Mapping[str, Tensor]) -> Variant:
    """A copy whose attention is split; the variant itself where there is none, or where its outputs would change."""
    paths = _splittable(variant.module)
    if not paths:
        return variant
    record = Record(kind="attention", data={"split": paths})
    apart = replay_attention(variant.copy().module, record)
    try:
        pairs = list(zip(predict(variant.module, inputs), predict(apart, inputs), strict=True))
    except (Unsupported, *MODEL_ERRORS):
        return variant
    if not all(
        torch.allclose(one, two, rtol=_TOLERANCE, atol=_TOLERANCE * float(one.abs().max())) for one, two in pairs
    ):
        return variant
    return replace(variant, module=apart, records=(*variant.records, record))


def replay_attention(module: nn.Module, record: Record) -> nn.Module:
    """Split the attention that the record names, in place, with its weights.

    Raises `ArtifactError` when it is not there.
    """
    for path in record.data["split"]:
        parts = dict(module.named_modules())
        whole = parts.get(path)
        if not isinstance(whole, nn.MultiheadAttention):
            raise ArtifactError(
                "the architecture differs from the recorded one",
                where=path,
                help="use the version of the model's code that the artifact was made with",
            )
        if not path:
            return SplitAttention(whole).train(whole.training)
        module.set_submodule(path, SplitAttention(whole).train(whole.training))
    for part in module.modules():
        if isinstance(part, nn.TransformerEncoder):
            part.use_nested_tensor = False  # nested tensors are for torch's own fused layer only
    return module


def _splittable(module: nn.Module) -> list[str]:
    """Paths of attention that is used in one place, without learned extra keys."""
    found: dict[int, list[str]] = {}
    for path, part in module.named_modules(remove_duplicate=False):
        if isinstance(part, nn.MultiheadAttention) and part.bias_k is None and not part.add_zero_attn:
            found.setdefault(id(part), []).append(path)
    return [paths[0] for paths in found.values() if len(paths) == 1]


def _linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta", dtype=weight.dtype)
    layer.weight = nn.Parameter(weight.detach().clone())
    if bias is not None:
        layer.bias = nn.Parameter(bias.detach().clone())
    return layer


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """A mask as numbers that are added to the scores: where a boolean one is True nobody looks."""
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill(mask, float("-inf"))
