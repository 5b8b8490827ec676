"""The fast tests trace the model and run the graph without C++; the slow ones use the real compiler."""

from __future__ import annotations

import functools

import pytest
import torch
from torch import nn

from burnish.core.errors import RecipeError, Unsupported
from burnish.core.progress import Silent
from burnish.model import fake_quant
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.kinds.quantize import Quantize
from burnish.train import compiled, refusals
from burnish.train.forward import forward_pass
from burnish.train.loop import fit
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.settings import FitSettings
from tests import tiny
from tests.train.test_forward import net, rows

SETTINGS = FitSettings(epochs=2, batch_size=16, learning_rate=1e-2, optimizer="sgd", precision="fp32", device="cpu")
COMPILED = SETTINGS.model_copy(update={"compile": True})


@pytest.fixture
def traced(monkeypatch):
    """Seen: the graphs that were made."""
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    return graphs


def train(module: nn.Module, settings: FitSettings, **more):
    return fit(module, rows(), objective=task(cross_entropy()), settings=settings, seed=1, progress=Silent(), **more)


def accuracy(module: nn.Module) -> float:
    batch = rows().batch(range(100))
    with torch.no_grad():
        return float((module(**batch.inputs).argmax(1) == batch.targets).float().mean())


@pytest.mark.parametrize("more", [{}, {"ema": 0.9}, {"accumulate": 2}], ids=str)
def test_a_compiled_training_is_the_same_training(traced, more):
    plain, fast = net(), net()
    expected = train(plain, SETTINGS.model_copy(update=more), score=accuracy)
    result = train(fast, COMPILED.model_copy(update=more), score=accuracy)
    assert len(traced) == 1  # the short last batch and the validation need no other
    assert [row.loss for row in result.history] == pytest.approx([row.loss for row in expected.history], abs=1e-6)
    assert [row.score for row in result.history] == [row.score for row in expected.history]
    assert list(fast.state_dict()) == list(plain.state_dict())
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[key], value, rtol=0, atol=1e-5)
    assert "forward" not in vars(fast)
    assert "first step took" in result.compiled
    assert expected.compiled == ""


def test_a_compiled_run_goes_on_from_its_checkpoint(traced, tmp_path):
    whole, parts = net(), net()
    expected = train(whole, COMPILED)

    class StoppedError(Exception):
        pass

    def stop(module):
        raise StoppedError

    with pytest.raises(StoppedError):
        train(parts, COMPILED, score=stop, checkpoint=tmp_path / "fit")
    seen = iter([0.1, 0.2])
    train(parts := net(), COMPILED, score=lambda module: next(seen), checkpoint=tmp_path / "fit")
    assert len(expected.history) == 2
    for key, value in whole.state_dict().items():
        assert torch.equal(parts.state_dict()[key], value), key


def test_a_compiler_that_fails_is_one_error(monkeypatch):
    def broken(graph, inputs):
        raise RuntimeError("no such instruction")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=broken))
    module = net()
    with pytest.raises(Unsupported, match="no such instruction") as caught:
        train(module, COMPILED)
    assert caught.value.help == "set compile to false"
    assert "forward" not in vars(module)


def test_a_model_that_is_new_at_every_call_is_refused(traced, monkeypatch):
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(6, 3)
            self.name = ""

        def forward(self, x):
            self.name += "x"
            return self.head(x) * len(self.name)

    monkeypatch.setattr(compiled, "_FORMS", 3)
    with pytest.raises(Unsupported, match="again and again"):
        train(Odd(), COMPILED)


def test_what_cannot_be_compiled_is_refused_before_anything_starts(monkeypatch):
    rounded = fake_quant.insert(net().eval(), [{"x": torch.randn(8, 6)}], fake_quant.Scheme(), attention=False)
    with pytest.raises(Unsupported, match="rounding"):
        train(rounded, COMPILED)
    with pytest.raises(Unsupported, match="several ranks"):
        refusals.refuse_forward(net(), COMPILED, world=2, device=torch.device("cpu"))
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(Unsupported, match="compiler") as caught:
        train(net(), COMPILED)
    assert "g++" in caught.value.help


@pytest.mark.parametrize("name", ["compile", "checkpoint_activations"])
def test_recipes_that_cannot_be_trained_so_are_refused_when_they_are_read(name):
    with pytest.raises(Unsupported, match="rounding"):
        Quantize.parse({"recover": {name: True}})
    Quantize.parse({"recover": {name: True}, "method": "ptq"})
    assert getattr(Recover(**{name: True}).fit_settings(FitSettings()), name)


def test_recoveries_with_a_teacher_are_compiled_one_after_the_other(traced):
    context = tiny.context(teacher=tiny.trained().module)
    notes = []
    for fast in (True, False, True):
        notes.append(recover(tiny.trained().copy(), context, Recover(epochs=0.5, compile=fast), label="r"))
    assert len(traced) == 2
    assert ["compiled" in found for found in notes] == [True, False, True]
    assert notes[0]["scores"] == notes[1]["scores"] == notes[2]["scores"]


def test_features_are_refused():
    with pytest.raises(RecipeError, match="watched"):
        Recover(compile=True, features=1.0)


@pytest.mark.slow
@pytest.mark.parametrize("again", [False, True])
def test_the_real_compiler_gives_the_same_losses(again):
    def small() -> nn.Module:
        torch.manual_seed(0)
        blocks = [nn.Sequential(nn.Linear(6, 6), nn.BatchNorm1d(6), nn.ReLU()) for _ in range(2)]
        return Called(nn.Sequential(*blocks, nn.Linear(6, 3)))

    plain, fast = small(), small()
    settings = COMPILED.model_copy(update={"checkpoint_activations": again})
    expected, result = train(plain, SETTINGS), train(fast, settings)
    assert [row.loss for row in result.history] == pytest.approx([row.loss for row in expected.history], abs=1e-6)
    for key, value in plain.state_dict().items():
        torch.testing.assert_close(fast.state_dict()[key], value, rtol=0, atol=1e-5)


@pytest.mark.slow
def test_dropout_that_is_computed_again_draws_the_same():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Hardtanh(-100.0, 100.0))
    module = Called(nn.Sequential(layers)).train()
    settings = COMPILED.model_copy(update={"checkpoint_activations": True})
    with forward_pass(module, settings):
        out = module(torch.randn(50, 8))
        out.sum().backward()
    assert torch.equal(layers[0].bias.grad, 2.0 * (out != 0).sum(0))


class Called(nn.Module):
    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x)
