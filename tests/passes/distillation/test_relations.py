from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from burnish.passes.distillation.relations import Watcher, attention_loss, feature_loss
from tests.passes.models import Attention


class Blocks(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Sequential(nn.Conv2d(1, width, 3, padding=1), nn.ReLU()),
            nn.Sequential(nn.Conv2d(width, 4, 3, padding=1), nn.ReLU()),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x).mean((2, 3))


def watched(module: nn.Module, x: Tensor) -> Watcher:
    with torch.no_grad(), Watcher(module) as seen:
        module(x)
    return seen


def test_stages_are_found_whatever_they_are_called_and_hooks_are_taken_off() -> None:
    module = Blocks(8)
    seen = watched(module, torch.randn(2, 1, 6, 6))
    assert list(seen.features) == ["body.0", "body.1"]
    assert all(not part._forward_hooks for part in module.modules())


def test_features_of_the_same_model_are_no_distance_apart() -> None:
    module, x = Blocks(8), torch.randn(4, 1, 6, 6)
    assert float(feature_loss(watched(module, x), watched(module, x))) == pytest.approx(0, abs=1e-7)


def test_features_do_not_depend_on_width_or_order_of_channels() -> None:
    wide, x = Blocks(8), torch.randn(4, 1, 6, 6)
    other = Blocks(8)
    other.load_state_dict(wide.state_dict())
    order = torch.randperm(8)
    with torch.no_grad():
        other.body[0][0].weight.copy_(wide.body[0][0].weight[order])
        other.body[0][0].bias.copy_(wide.body[0][0].bias[order])
        other.body[1][0].weight.copy_(wide.body[1][0].weight[:, order])
    assert float(feature_loss(watched(other, x), watched(wide, x))) == pytest.approx(0, abs=1e-6)
    narrow = float(feature_loss(watched(Blocks(3), x), watched(wide, x)))
    assert narrow > 1e-4


def test_features_have_gradients_for_the_student() -> None:
    teacher, student, x = Blocks(8), Blocks(4), torch.randn(4, 1, 6, 6)
    with Watcher(student) as seen:
        student(x)
    feature_loss(seen, watched(teacher, x)).backward()
    assert float(student.body[0][0].weight.grad.abs().sum()) > 0


def test_attention_is_seen_and_compared() -> None:
    torch.manual_seed(0)
    module, other, x = Attention().eval(), Attention().eval(), torch.randn(2, 5, 16)
    assert len(watched(module, x).attention) == 1
    assert float(attention_loss(watched(module, x), watched(module, x))) == pytest.approx(0, abs=1e-7)
    assert float(attention_loss(watched(other, x), watched(module, x))) > 1e-4


def test_models_that_share_nothing_are_no_distance_apart() -> None:
    left, right = watched(nn.Linear(4, 2), torch.randn(2, 4)), watched(nn.Linear(4, 2), torch.randn(2, 4))
    assert float(feature_loss(left, right)) == float(attention_loss(left, right)) == 0.0
