"""Models that are awkward to cut: fused projections, shared weights, grouped and shuffled channels."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from burnish.core.errors import Unsupported
from burnish.model.variant import predict
from burnish.passes.pruning import groups as rooms
from burnish.passes.pruning.equivalence import retune
from burnish.passes.pruning.explain import explain
from burnish.passes.pruning.groups import dependencies
from burnish.passes.pruning.heads import fused_heads


class FusedAttention(nn.Module):
    """Queries, keys and values from one layer; `interleaved` lays them out head by head."""

    def __init__(self, interleaved: bool = False) -> None:
        super().__init__()
        self.num_heads, self.head_dim, self.width, self.interleaved = 4, 4, 16, interleaved
        self.qkv, self.proj = nn.Linear(12, 48), nn.Linear(16, 12)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        batch, length = x.shape[:2]
        if self.interleaved:
            q, k, v = self.qkv(x).view(batch, length, self.num_heads, 3, self.head_dim).permute(3, 0, 2, 1, 4).unbind(0)
        else:
            q, k, v = self.qkv(x).view(batch, length, 3, self.num_heads, self.head_dim).permute(2, 0, 3, 1, 4).unbind(0)
        mixed = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.proj(mixed.transpose(1, 2).reshape(batch, length, self.width))
        return self.head(x.mean(1))


class Tied(nn.Module):
    """The embedding is also the output layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 16)
        self.up, self.down = nn.Linear(16, 32), nn.Linear(32, 16)
        self.out = nn.Linear(16, 10, bias=False)
        self.out.weight = self.embed.weight

    def forward(self, ids: Tensor) -> Tensor:
        x = self.embed(ids).mean(1)
        return self.out(x + self.down(torch.relu(self.up(x))))


class Grouped(nn.Module):
    """A convolution in groups between two plain ones."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 16, 1), nn.Conv2d(16, 16, 3, groups=4), nn.Conv2d(16, 8, 1)
        self.head = nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.c(torch.relu(self.b(torch.relu(self.a(x)))))).mean((2, 3)))


def test_a_head_in_a_fused_projection_goes_from_queries_keys_and_values_together() -> None:
    torch.manual_seed(0)
    module = FusedAttention().eval()
    inputs = {"x": torch.randn(2, 5, 12)}
    found = fused_heads(module, inputs)
    assert [(f.projection, f.output, f.heads, f.width) for f in found] == [("qkv", "proj", 4, 4)]
    graph, _ = explain(module, inputs)
    heads = next(group for group in graph.groups if group.fused)
    assert (heads.channels, heads.block, heads.num_blocks) == (16, 4, 4)
    silent = copy.deepcopy(module)
    silent.proj.weight.data[:, 4:8] = 0
    cut = dependencies(copy.deepcopy(silent), inputs)
    cut.remove(heads, [4, 5, 6, 7])
    retune(cut.module, heads, 4)
    assert (cut.module.qkv.out_features, cut.module.proj.in_features, cut.module.num_heads) == (36, 12, 3)
    torch.testing.assert_close(predict(cut.module, inputs)[0], predict(silent, inputs)[0])


def test_another_layout_of_a_fused_projection_is_found_out_and_left_alone() -> None:
    torch.manual_seed(0)
    with pytest.raises(Unsupported) as caught:
        explain(FusedAttention(interleaved=True).eval(), {"x": torch.randn(2, 5, 12)})
    assert "qkv: removing channels that nobody reads changes the output" in caught.value.why


def test_shared_weights_are_left_alone_and_the_rest_is_cut() -> None:
    graph, skipped = explain(Tied().eval(), {"ids": torch.randint(0, 10, (2, 4))})
    assert [group.name for group in graph.groups] == ["up"]
    assert any("shares its weight" in skip.why for skip in skipped)


def test_groups_of_a_convolution_are_left_alone_with_the_reason() -> None:
    graph, skipped = explain(Grouped().eval(), {"x": torch.randn(2, 3, 6, 6)})
    assert [group.name for group in graph.groups] == ["c"]
    assert {skip.where for skip in skipped if "grouped convolution" in skip.why} == {"a", "b"}


def test_channels_that_multiply_without_end_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "_MOST_ENTRIES", 10)
    with pytest.raises(Unsupported, match="spread over too many places"):
        explain(Grouped().eval(), {"x": torch.randn(2, 3, 6, 6)})
