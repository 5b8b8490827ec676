"""Attention with its heads apart gives what `nn.MultiheadAttention` gives."""

from __future__ import annotations

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from burnish.core.errors import ArtifactError
from burnish.core.manifest import Record
from burnish.model.attention import SplitAttention, replay_attention, split_attention
from burnish.model.replay import replay
from burnish.model.surgery import resize_record, snapshot
from burnish.model.variant import Variant, predict
from burnish.passes.pruning.explain import explain


class Encoder(nn.Module):
    """Two layers of torch's own transformer; every second row is shorter where `padded`."""

    def __init__(self, padded: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.padded = padded
        self.up = nn.Linear(6, 16)
        layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, dropout=0.0)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Tensor) -> Tensor:
        padding = torch.zeros(x.shape[:2], dtype=torch.bool)
        if self.padded:
            padding[::2, 3:] = True
        return self.head(self.encoder(self.up(x), src_key_padding_mask=padding if self.padded else None)[:, 0])


class Looks(nn.Module):
    """Returns the weights of attention; `twice` uses the same layer from two places."""

    def __init__(self, *, twice: bool = False, zero: bool = False) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True, add_zero_attn=zero)
        self.again = self.attention if twice else None
        self.weights = not (twice or zero)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        found, weights = self.attention(x, x, x)
        if self.again is not None:
            found = self.again(found, x, x)[0]
        return (found, weights) if self.weights else found


@settings(deadline=None, max_examples=40)
@given(
    heads=st.sampled_from([1, 2, 4]),
    batch_first=st.booleans(),
    bias=st.booleans(),
    other=st.booleans(),
    mask=st.sampled_from(["", "bool", "float"]),
    padding=st.booleans(),
)
def test_it_gives_what_the_whole_gives(
    heads: int, batch_first: bool, bias: bool, other: bool, mask: str, padding: bool
) -> None:
    torch.manual_seed(heads)
    sizes = {"kdim": 5, "vdim": 7} if other else {}
    whole = nn.MultiheadAttention(8, heads, batch_first=batch_first, bias=bias, **sizes).eval()
    query, key, value = torch.randn(3, 4, 8), torch.randn(3, 6, 5 if other else 8), torch.randn(3, 6, 7 if other else 8)
    if not batch_first:
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
    where = torch.rand(4, 6) < 0.3
    where[:, 0] = False
    hidden = torch.zeros(3, 6, dtype=torch.bool)
    hidden[0, 4:] = padding
    named = {
        "attn_mask": {"": None, "bool": where, "float": torch.randn(4, 6)}[mask],
        "key_padding_mask": hidden if padding and mask != "float" else None,
    }
    wanted, _ = whole(query, key, value, need_weights=False, **named)
    found, weights = SplitAttention(whole).eval()(query, key, value, need_weights=False, **named)
    assert weights is None
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
@pytest.mark.parametrize("padded", [False, True])
def test_heads_of_a_transformer_encoder_can_be_cut_and_replayed(padded: bool) -> None:
    inputs = {"x": torch.randn(4, 5, 6)}
    variant = Variant(module=Encoder(padded).eval())
    apart = split_attention(variant, inputs)
    torch.testing.assert_close(predict(apart.module, inputs), predict(variant.module, inputs), rtol=1e-4, atol=1e-5)
    assert isinstance(variant.module.encoder.layers[0].self_attn, nn.MultiheadAttention)
    before = snapshot(apart.module)
    graph, _ = explain(apart.module, inputs)
    heads = [group for group in graph.groups if group.kind == "heads"]
    assert {(group.num_blocks, group.block) for group in heads} == {(4, 4)}
    assert len(heads) == 2
    graph.remove(heads[0], [0, 1, 2, 3, 8, 9, 10, 11])
    wanted = predict(apart.module, inputs)
    records = (*apart.records, resize_record(before, apart.module))
    again = replay(Encoder(padded), tuple(Record.model_validate(row.model_dump(mode="json")) for row in records))
    again.module.load_state_dict(apart.module.state_dict())
    torch.testing.assert_close(predict(again.module, inputs), wanted)


@pytest.mark.parametrize("module", [Looks(), Looks(twice=True), Looks(zero=True), nn.Linear(8, 2)])
def test_what_would_change_is_left_alone(module: nn.Module) -> None:
    name = "input" if isinstance(module, nn.Linear) else "x"
    variant = Variant(module=module.eval())
    assert split_attention(variant, {name: torch.randn(2, 3, 8)}) is variant


def test_a_record_of_another_architecture_is_refused() -> None:
    record = Record(kind="attention", data={"split": ["up"]})
    with pytest.raises(ArtifactError, match="architecture differs") as caught:
        replay_attention(copy.deepcopy(Encoder()), record)
    assert caught.value.where == "up"
