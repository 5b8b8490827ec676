from __future__ import annotations

import pytest
import torch
from torch import nn

from burnish.core.errors import Unsupported
from burnish.train.memory import model_size
from burnish.train.planner import activation_bytes, automatic, least, on_meta, plans


def stack() -> nn.Module:
    return nn.Sequential(*(nn.Linear(256, 256) for _ in range(8)))


def test_sharding_takes_the_state_down_to_a_share_of_the_ranks() -> None:
    size = model_size(on_meta(stack()), "adamw")
    assert size.parameters == 8 * (256 * 256 + 256)
    rows = {row.strategy: row for row in plans(size, devices=4, activations=None)}
    assert list(rows) == ["ddp", "zero1", "zero2", "zero3"]
    assert rows["ddp"].state.lasting == pytest.approx(16 * size.parameters, rel=0.01)
    assert rows["zero1"].state.lasting == pytest.approx(10 * size.parameters, rel=0.01)
    assert rows["zero3"].state.lasting <= 0.27 * rows["ddp"].state.lasting
    assert rows["zero2"].total > rows["zero3"].total


def test_the_least_sharding_that_fits_is_chosen() -> None:
    rows = plans(model_size(stack(), "adamw"), devices=4, activations=1e6)
    wanted = next(row for row in rows if row.strategy == "zero1")
    chosen = least(rows, wanted.total + 1)
    assert chosen is not None and chosen.strategy == "zero1"
    assert least(rows, 1e6) is None
    assert [row.strategy for row in plans(model_size(stack(), "adamw"), devices=1, activations=None)] == ["single"]


def test_auto_takes_the_least_sharding_that_fits_and_that_the_optimizer_can_work_with() -> None:
    size = model_size(stack(), "adamw")
    needs = {row.strategy: row.total for row in plans(size, devices=4, activations=1e6)}
    for strategy in ("ddp", "zero1"):
        found, reason = automatic(size, "adamw", 4, room_bytes=needs[strategy], activations=1e6)
        assert found == strategy and "the least sharding that fits" in reason
    found, reason = automatic(size, "adamw", 4, room_bytes=needs["zero3"], activations=1e6)
    assert found == "zero3" and needs["zero3"] < needs["zero1"]
    found, reason = automatic(size, "adamw", 4, room_bytes=1.0, activations=None)
    assert found == "zero3" and "nothing fits" in reason
    assert automatic(model_size(stack(), "muon"), "muon", 4, room_bytes=1.0, activations=None)[0] == "zero1"


def test_activations_are_those_of_a_real_forward_pass() -> None:
    """Each linear layer keeps its input: 32 rows of 256 floats, eight times; the first one is the batch itself."""
    assert activation_bytes(Named(), {"x": torch.ones(32, 256)}) == 8 * 32 * 256 * 4


class Named(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = on_meta(stack())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x)


def test_a_model_that_looks_at_values_has_no_activations_to_tell() -> None:
    class Looks(Named):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x) if float(x.sum()) > 0 else x

    with pytest.raises(Unsupported):
        activation_bytes(Looks(), {"x": torch.ones(2, 256)})


def test_attention_keeps_no_scores() -> None:
    """Twice the tokens are twice the bytes, as in a real forward pass, which fuses attention."""

    class Attends(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return nn.functional.scaled_dot_product_attention(x, x, x)

    module = nn.Sequential(nn.Linear(16, 16), Attends())

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = on_meta(module)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.body(x)

    short, long = (activation_bytes(Whole(), {"x": torch.ones(2, 4, length, 16)}) for length in (128, 256))
    assert long == pytest.approx(2 * short)
