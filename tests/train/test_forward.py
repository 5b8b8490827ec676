from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.errors import Unsupported
from burnish.core.progress import Silent
from burnish.data.split import Split
from burnish.model import fake_quant
from burnish.train.forward import forward_pass
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.settings import FitSettings

SETTINGS = FitSettings(epochs=2, batch_size=16, learning_rate=1e-2, precision="fp32", device="cpu")
AGAIN = SETTINGS.model_copy(update={"checkpoint_activations": True})


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(6, 32)
        self.blocks = nn.ModuleList([block() for _ in range(3)])
        self.head = nn.Linear(32, 3)

    def forward(self, x):
        x = self.stem(x)
        for part in self.blocks:
            x = x + part(x)
        return self.head(x)


def block() -> nn.Module:
    layers = nn.Linear(32, 64), nn.BatchNorm1d(64), nn.GELU(), nn.Dropout(0.3), nn.Linear(64, 32)
    return nn.Sequential(*layers)


def net() -> Net:
    torch.manual_seed(0)
    return Net()


def rows() -> Split:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 3, 100)
    x = (rng.normal(size=(100, 6)) + targets[:, None]).astype(np.float32)
    return Split(inputs={"x": x}, targets=targets)


def train(module: nn.Module, settings: FitSettings):
    return fit(module, rows(), objective=task(cross_entropy()), settings=settings, seed=1, progress=Silent())


def test_activations_computed_again_give_the_same_bits():
    plain, again = net(), net()
    expected, result = train(plain, SETTINGS), train(again, AGAIN)
    assert result.history == expected.history
    for key, value in plain.state_dict().items():
        assert torch.equal(again.state_dict()[key], value), key
    assert all("forward" not in vars(part) for part in again.modules())


def test_less_is_kept_for_the_backward_pass():
    def kept(settings: FitSettings) -> int:
        module, sizes = net(), {}

        def keep(tensor):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        own = sum(p.untyped_storage().nbytes() for p in module.parameters())
        with (
            forward_pass(module, settings),
            torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        ):
            out = module(torch.randn(256, 6))
        held = sum(sizes.values())
        del out
        return held + own

    assert kept(AGAIN) < kept(SETTINGS) / 2


def test_a_block_that_differs_the_second_time_is_named():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(32, 32), nn.ReLU())
            self.calls = 0

        def forward(self, x):
            self.calls += 1
            return self.layers(x[: len(x) - self.calls + 1])

    module = net()
    module.blocks = nn.ModuleList([nn.Sequential(Odd())])
    module.forward = lambda x: module.blocks[0](module.stem(x))
    with pytest.raises(Unsupported, match="second time"):
        train(module, AGAIN.model_copy(update={"epochs": 0.2}))


def test_a_model_without_blocks_is_refused():
    with pytest.raises(Unsupported, match="no block"), forward_pass(nn.Linear(2, 2), AGAIN):
        pass


def test_fake_quantize_nodes_are_refused():
    rounded = fake_quant.insert(net().eval(), [{"x": torch.randn(8, 6)}], fake_quant.Scheme(), attention=False)
    with pytest.raises(Unsupported, match="rounding"):
        train(rounded, AGAIN)
