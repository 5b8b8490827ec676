import torch
from torch import nn

from burnish.train.optimizer import build_optimizer, set_rate
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


def test_set_rate_reaches_every_group():
    optimizer = build_optimizer(Ranges(), FitSettings())
    set_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == [0.25, 0.25]
