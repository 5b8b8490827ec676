import pytest
import torch
from torch import nn

from burnish.train.optimizers import build_optimizer, load_optimizer_state, optimizer_state, set_rate
from burnish.train.settings import FitSettings


class Ranges(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.scale = nn.Parameter(torch.ones(4, 1, 1, 1))


def test_vectors_are_not_decayed():
    module = Ranges()
    optimizer = build_optimizer(module, FitSettings(weight_decay=0.1))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: decay[id(p)] for name, p in module.named_parameters()} == {
        "scale": 0.0,
        "conv.weight": 0.1,
        "conv.bias": 0.0,
        "norm.weight": 0.0,
        "norm.bias": 0.0,
    }


def test_frozen_parameters_are_left_out():
    module = Ranges()
    module.conv.requires_grad_(False)
    optimizer = build_optimizer(module, FitSettings())
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 3


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_state_survives(name):
    def step(module, optimizer):
        module.conv(torch.ones(1, 2, 5, 5)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    def make():
        torch.manual_seed(0)
        module = Ranges()
        return module, build_optimizer(module, FitSettings(optimizer=name))

    one, first = make()
    step(one, first)
    two, second = make()
    two.load_state_dict(one.state_dict())
    load_optimizer_state(second, optimizer_state(first))
    step(one, first)
    step(two, second)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_set_rate_reaches_every_group():
    optimizer = build_optimizer(Ranges(), FitSettings())
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
