from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from burnish.cli.plan import plan
from burnish.core.errors import RecipeError, UnknownName
from burnish.core.progress import Silent
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.kinds.fit import Fit
from burnish.train import planner
from burnish.train.advisor import CANDIDATES, advise, tune
from burnish.train.loop import fit
from burnish.train.memory import model_size
from burnish.train.objectives import task
from burnish.train.planner import activation_bytes, least, on_meta, plans
from burnish.train.settings import FitSettings
from burnish.workloads.registry import get
from burnish.workloads.workload import Workload
from tests import tiny


class Perceptron(nn.Module):
    """Digits [N, 1, 8, 8] to logits [N, 10]."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.body(image)
        return found


def perceptron() -> nn.Module:
    torch.manual_seed(0)
    return Perceptron()


def digits_perceptron() -> Workload:
    """For `burnish plan`."""
    return replace(get("digits"), build=perceptron)


@pytest.fixture(scope="module")
def work() -> Workload:
    return digits_perceptron()


@pytest.fixture(scope="module")
def needs(work) -> dict[str, float]:
    """Bytes of a training with each candidate on one device."""
    kept = activation_bytes(perceptron(), work.train.batch(range(32)).inputs)
    found = {name: plans(model_size(perceptron(), name), devices=1, activations=kept)[0].total for name in CANDIDATES}
    assert found["adamw"] > found["lion"] > found["adafactor"]
    return found


def have(monkeypatch, room: float) -> None:
    """A machine where so much is left, with what the model takes."""
    own = sum(p.numel() * p.element_size() for p in perceptron().parameters())
    monkeypatch.setattr(planner, "available_bytes", lambda: room - own)


def train(work: Workload, module: nn.Module, **changes):
    more = {name: changes.pop(name) for name in ("score", "checkpoint", "progress") if name in changes}
    seed = changes.pop("seed", 1)
    usual = {"epochs": 2, "batch_size": 32, "learning_rate": 3e-3, "precision": "fp32", "device": "cpu"}
    settings = FitSettings(**(usual | changes))
    given = {"progress": Silent(), "seed": seed, "objective": task(work.loss)} | more
    return fit(module, work.train, settings=settings, **given)


def same(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize("name", CANDIDATES)
def test_auto_takes_the_first_that_fits_and_trains_as_if_it_was_asked_for(work, needs, monkeypatch, name):
    have(monkeypatch, needs[name] + 1)
    said = Said()
    auto, asked = perceptron(), perceptron()
    result = train(work, auto, optimizer="auto", progress=said)
    told = tune(FitSettings(learning_rate=3e-3), name, perceptron())
    train(work, asked, optimizer=name, learning_rate=told.learning_rate, weight_decay=told.weight_decay)
    assert result.optimizer == name
    assert same(auto, asked)
    assert f"optimizer {name}: " in said.lines[0] and result.optimizer_reason in said.lines[0]


def test_where_nothing_fits_the_reason_says_so(needs):
    found = advise(perceptron(), devices=1, room_bytes=needs["adafactor"] / 2, activations=None)
    assert found.optimizer == "adafactor"
    assert "nothing fits" in found.reason


def test_more_sharding_comes_before_another_optimizer():
    module = nn.Sequential(*(nn.Linear(256, 256) for _ in range(8)))
    totals = {row.strategy: row.total for row in plans(model_size(module, "adamw"), devices=4, activations=None)}
    found = advise(on_meta(module), devices=4, room_bytes=totals["zero3"] + 1, activations=None)
    assert found.optimizer == "adamw"
    assert advise(module, devices=4, room_bytes=totals["zero3"] - 1, activations=None).optimizer == "lion"
    # adafactor cannot train divided matrices
    lion = plans(model_size(module, "lion"), devices=4, activations=None)
    short = min(row.total for row in lion) - 1
    assert least(lion, short) is None
    assert "nothing fits" in advise(module, devices=4, room_bytes=short, activations=None).reason


def test_a_strategy_that_is_named_is_kept():
    module = nn.Sequential(*(nn.Linear(256, 256) for _ in range(8)))
    kept = {"devices": 4, "activations": None}
    lion = {row.strategy: row.total for row in plans(model_size(module, "lion"), **kept)}
    assert advise(module, room_bytes=lion["ddp"] + 1, **kept).optimizer == "adamw"
    assert advise(module, room_bytes=lion["ddp"] + 1, strategy="ddp", **kept).optimizer == "lion"
    assert advise(module, room_bytes=lion["ddp"] - 1, strategy="ddp", **kept).optimizer == "adafactor"
    found = advise(module, room_bytes=lion["zero3"] - 1, strategy="zero3", **kept)  # not adafactor
    assert found.optimizer == "lion" and "nothing fits" in found.reason
    assert advise(module, room_bytes=1e12, strategy="deepspeed", **kept).optimizer == "adamw"


def test_rates_are_made_from_adamw_s():
    module = perceptron()
    settings = FitSettings(learning_rate=3e-3, weight_decay=0.01)
    assert tune(settings, "adamw", module) == settings
    lion = tune(settings, "lion", module)
    assert (lion.learning_rate, lion.weight_decay) == pytest.approx((1e-3, 0.03))
    weights = torch.cat([p.detach().reshape(-1) for p in module.parameters() if p.dim() > 1])
    adafactor = tune(settings, "adafactor", module)
    assert adafactor.learning_rate == pytest.approx(3e-3 / math.sqrt(float(weights.square().mean())), rel=1e-5)
    assert adafactor.learning_rate * adafactor.weight_decay == pytest.approx(3e-5)


def test_a_run_that_goes_on_keeps_its_optimizer(work, needs, monkeypatch, tmp_path):
    class StoppedError(Exception):
        pass

    def stop(module):
        raise StoppedError

    have(monkeypatch, needs["lion"] + 1)
    train(work, whole := perceptron(), optimizer="auto", keep_best=False)
    with pytest.raises(StoppedError):
        train(work, perceptron(), optimizer="auto", keep_best=False, checkpoint=tmp_path / "fit", score=stop)
    have(monkeypatch, needs["adamw"] + 1)
    result = train(
        work, parts := perceptron(), optimizer="auto", keep_best=False, checkpoint=tmp_path / "fit", score=lambda m: 0.0
    )
    assert result.optimizer == "lion"
    assert same(whole, parts)
    result = train(work, perceptron(), optimizer="auto", checkpoint=tmp_path / "fit", seed=2)
    assert result.optimizer == "adamw"


@pytest.mark.parametrize("name", CANDIDATES)
def test_plan_says_the_same(needs, name, capsys):
    told = f"{(needs[name] + 1e4) / 1e6:.6f}MB"
    plan(
        f"{__name__}:digits_perceptron",
        devices=1, memory=told, optimizer="auto", batch_size=32, length=1, data=None,
    )  # fmt: skip
    out, err = capsys.readouterr()
    found = json.loads(out.splitlines()[-1])
    assert found["auto"]["optimizer"] == found["optimizer"] == name
    assert found["chosen"] == "single"
    assert f"auto takes {name}: " in err


def test_another_optimizer_s_rate_is_not_taken_for_adamw_s():
    context = tiny.context(fit=FitSettings(optimizer="sgd", learning_rate=0.1, batch_size=16))
    with pytest.raises(RecipeError, match="AdamW") as caught:
        Fit(optimizer="auto")(tiny.trained(), context)
    assert "sgd" in caught.value.why
    with pytest.raises(RecipeError, match="AdamW"):
        recover(tiny.trained(), context, Recover(optimizer="auto"), label="r")
    settings = Recover(optimizer="auto", learning_rate=1e-3).fit_settings(context.fit)
    assert (settings.optimizer, settings.learning_rate) == ("auto", 1e-3)
    assert Recover().fit_settings(context.fit).optimizer == "sgd"


def test_the_notes_of_a_pass_say_why():
    notes = Fit(optimizer="auto", epochs=1.0)(tiny.trained(), tiny.context()).notes
    assert notes["optimizer"].startswith("adamw: ")
    assert "optimizer" not in Fit(epochs=1.0)(tiny.trained(), tiny.context()).notes


def test_names_are_checked():
    for kind in (FitSettings, Fit, Recover):
        assert kind(optimizer="auto").optimizer == "auto"
        with pytest.raises((UnknownName, RecipeError), match="autp"):
            kind.parse({"optimizer": "autp"})


class Said(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)
