"""The contract of every optimizer, and ours against references."""

from __future__ import annotations

import warnings

import pytest
import torch
from torch import nn

from burnish.core.doors import OPTIMIZERS
from burnish.core.errors import UnknownName
from burnish.passes.kinds.fit import Fit
from burnish.train.optimizer import (
    build_optimizer,
    load_optimizer_state,
    optimizer_state,
    set_rate,
    state_bytes_per_parameter,
)
from burnish.train.optimizers.lion import Lion
from burnish.train.settings import FitSettings

RATES = {"sgd": 0.1, "adamw": 0.01, "adafactor": 0.05, "lion": 0.003, "muon": 0.01}


class Mixed(nn.Module):
    """One of each kind: embedding, convolution, norm, recurrent cell, linear, and a parameter that is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(11, 8)
        self.conv = nn.Conv1d(8, 8, 3, padding=1)
        self.norm = nn.BatchNorm1d(8)
        self.cell = nn.GRU(8, 8, batch_first=True)
        self.head = nn.Linear(8, 3)
        self.idle = nn.Parameter(torch.ones(3, 3))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.conv(self.table(ids).transpose(1, 2))).transpose(1, 2)
        return self.head(self.cell(x)[0].mean(1))


def start(name: str, **changes):
    torch.manual_seed(0)
    module = Mixed()
    return module, build_optimizer(module, FitSettings(optimizer=name, learning_rate=RATES[name], **changes))


def step(module: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> float:
    ids = torch.randint(0, 11, (32, 6), generator=torch.Generator().manual_seed(number))
    loss = nn.functional.cross_entropy(module(ids), ids.amax(1) % 3)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    return float(loss.detach())


def test_every_optimizer_has_a_rate_here() -> None:
    assert set(RATES) == set(OPTIMIZERS.names())


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_it_learns(name: str) -> None:
    module, optimizer = start(name)
    losses = [step(module, optimizer, number) for number in range(60)]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert torch.equal(module.idle, torch.ones(3, 3))


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_it_goes_on_from_its_state_with_the_same_bits(name: str) -> None:
    one, first = start(name)
    for number in range(3):
        step(one, first, number)
    two, second = start(name)
    two.load_state_dict(one.state_dict())
    load_optimizer_state(second, {key: value.clone() for key, value in optimizer_state(first).items()})
    for number in range(3, 6):
        set_rate(first, RATES[name] / number)
        set_rate(second, RATES[name] / number)
        step(one, first, number)
        step(two, second, number)
    for ours, theirs in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("name", OPTIMIZERS.names())
def test_a_rate_of_zero_changes_nothing_and_vectors_are_not_decayed(name: str) -> None:
    module, optimizer = start(name, weight_decay=0.5)
    kinds = {group["kind"]: group["weight_decay"] for group in optimizer.param_groups}
    assert kinds == {"embedding": 0.5, "convolution": 0.5, "vector": 0.0, "linear": 0.5}
    before = [param.clone() for param in module.parameters()]
    set_rate(optimizer, 0.0)
    step(module, optimizer, 0)
    assert all(torch.equal(a, b) for a, b in zip(before, module.parameters(), strict=True))


def test_state_in_bytes_per_parameter() -> None:
    held = {name: state_bytes_per_parameter(name) for name in OPTIMIZERS.names()}
    assert held["sgd"] == pytest.approx(4, abs=0.01)
    assert held["adamw"] == pytest.approx(8, abs=0.01)
    assert held["lion"] <= 0.5 * held["adamw"]
    assert held["muon"] <= 0.51 * held["adamw"]
    assert held["adafactor"] <= 0.05 * held["adamw"]


def test_an_unknown_optimizer_names_the_nearest_one() -> None:
    for make in (FitSettings, Fit):
        with pytest.raises(UnknownName, match="unknown optimizer 'lyon'") as caught:
            make(optimizer="lyon")
        assert "lion" in caught.value.help


def walk(optimizer: torch.optim.Optimizer, params: list[torch.Tensor], steps: int = 20) -> None:
    """Gradients that depend on the parameters, so that a difference grows."""
    for number in range(steps):
        generator = torch.Generator().manual_seed(number)
        for param in params:
            param.grad = param.detach() + torch.randn(param.shape, generator=generator)
        optimizer.step()


def twins() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(7)
    shapes = [(6, 5), (5,), (4, 3, 3, 3)]
    ours = [torch.randn(shape, generator=generator) for shape in shapes]
    return ours, [param.clone() for param in ours]


def test_lion_is_the_reference() -> None:
    """timm's, which follows the authors' own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from timm.optim import Lion as Reference
    ours, theirs = twins()
    walk(Lion([{"params": ours, "weight_decay": 0.1}], lr=0.01), ours)
    walk(Reference(theirs, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1), theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a, b, atol=1e-6, rtol=0)


def test_adafactor_is_the_reference() -> None:
    """The paper's algorithm 4 with relative steps, written out in double precision for a matrix and a vector."""
    ours, theirs = twins()
    ours, theirs = ours[:2], [param.double() for param in theirs[:2]]
    groups = [{"params": ours, "kind": "linear", "weight_decay": 0.1}]
    walk(OPTIMIZERS.get("adafactor")(groups, FitSettings(learning_rate=0.05)), ours)
    rate, tiny, floor = 0.05, torch.finfo(torch.float32).eps, 1e-3
    rows, columns, whole = torch.zeros(6, 1).double(), torch.zeros(1, 5).double(), torch.zeros(5).double()
    for number in range(20):
        generator = torch.Generator().manual_seed(number)
        for param in theirs:
            grad = param + torch.randn(param.shape, generator=generator).double()
            forget = (number + 1) ** -0.8
            size = max(floor, float(param.norm()) / param.numel() ** 0.5) * min(rate, (number + 1) ** -0.5)
            param *= 1 - rate * 0.1
            if param.dim() == 2:
                rows.lerp_(grad.square().mean(1, keepdim=True), forget)
                columns.lerp_(grad.square().mean(0, keepdim=True), forget)
                second = rows @ columns / rows.mean().clamp(min=tiny)
            else:
                second = whole.lerp_(grad.square(), forget).clone()
            update = grad / second.clamp(min=tiny**2).sqrt()
            param -= size * update / max(1.0, float(update.norm()) / update.numel() ** 0.5)
    for a, b in zip(ours, theirs, strict=True):
        assert torch.allclose(a.double(), b, atol=1e-6, rtol=0)
