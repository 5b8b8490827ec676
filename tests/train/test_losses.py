import math

import pytest
import torch

from burnish.train.losses import cross_entropy, mse


def test_cross_entropy_known_value():
    logits = torch.zeros(4, 10)
    assert cross_entropy()((logits,), torch.zeros(4, dtype=torch.int8)).item() == pytest.approx(math.log(10))


def test_label_smoothing_costs_a_sure_answer():
    logits = torch.tensor([[20.0, 0.0]])
    target = torch.tensor([0])
    assert cross_entropy(0.1)((logits,), target) > cross_entropy()((logits,), target) + 0.5


def test_losses_are_fp32():
    assert cross_entropy()((torch.zeros(2, 3, dtype=torch.bfloat16),), torch.tensor([0, 1])).dtype == torch.float32


def test_mse_takes_targets_without_the_last_dimension():
    assert mse()((torch.tensor([[1.0], [3.0]]),), torch.tensor([0, 0])).item() == 5.0
