from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data.split import Split
from burnish.train import precision
from burnish.train.kept import Kept
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.ranks import Ranks
from burnish.train.trial import StepTrial, precision_of
from tests.train.test_loop import SETTINGS, net, rows, same

CPU = torch.device("cpu")


def trial(module, clock):
    return StepTrial(
        module=module,
        split=rows(),
        objective=task(cross_entropy()),
        settings=SETTINGS,
        seed=1,
        device=CPU,
        clock=clock,
    )


def ticks():
    """A clock on which everything in bf16 takes twice as long as in fp32."""
    times = itertools.accumulate(itertools.cycle([0.0, 1.0, 0.0, 2.0]))
    return lambda: next(times)


def test_times_every_format_and_leaves_the_module_as_it_was():
    module, before = net(), net()
    seconds = trial(module, ticks())(("fp32", "bf16"))
    assert len(seconds["fp32"]) == len(seconds["bf16"]) == 5
    assert sum(seconds["bf16"]) == 2 * sum(seconds["fp32"])
    assert same(module, before)
    assert all(param.grad is None for param in module.parameters())


class Second(Ranks):
    """The second of two ranks, which is told what the first one found."""

    def text(self, text, *, of=0):
        assert text == ""
        return '["bf16", "bf16: of the first rank"]'


def test_only_the_first_rank_tries_and_on_its_part_of_the_rows(tmp_path):
    settings = SETTINGS.model_copy(update={"batch_size": 16})
    seen = []

    def objective(module, batch):
        seen.append(len(batch.rows))
        return task(cross_entropy())(module, batch)

    ranks = Ranks(rank=0, world=4)
    StepTrial(
        module=net(), split=rows(), objective=objective, settings=settings, seed=1, device=CPU, ranks=ranks
    )(("fp32",))  # fmt: skip
    assert set(seen) == {4}
    other = replace(trial(net(), broken), ranks=Second(rank=1, world=2))
    kept = Kept(checkpoint=tmp_path / "fit", key="key", name="precision")
    found = precision_of(other, kept, steps=1000, divided=False)
    assert (found.name, found.reason, found.device) == ("bf16", "bf16: of the first rank", "cpu")
    assert not list(tmp_path.iterdir())


def test_activations_are_computed_again_in_the_trial_where_they_are_in_the_run():
    calls = []
    module = nn.Sequential(nn.Sequential(nn.Flatten(), nn.Linear(64, 8)), nn.Sequential(nn.ReLU(), nn.Linear(8, 4)))
    module[0][1].register_forward_pre_hook(lambda *_: calls.append(1))
    wide = Split(inputs={"input": np.ones((32, 1, 8, 8), np.float32)}, targets=np.arange(32) % 4)
    for again in (False, True):
        calls.clear()
        settings = SETTINGS.model_copy(update={"checkpoint_activations": again})
        made = replace(trial(module, ticks()), split=wide, settings=settings)
        made(("fp32",))
        assert len(calls) == (2 if again else 1) * 12


def test_a_run_that_goes_on_decides_as_before_under_any_strategy(tmp_path, monkeypatch):
    monkeypatch.setattr(precision, "_capable", lambda device, isa: ("bf16", ""))
    auto = SETTINGS.model_copy(update={"precision": "auto"})

    def decided(clock, key="key", settings=auto, steps=1000, **more):
        kept = Kept(checkpoint=tmp_path / "fit", key=key, name="precision")
        made = replace(trial(net(), clock), settings=settings)
        return precision_of(made, kept, steps=steps, **({"divided": False} | more))

    first = decided(ticks())
    assert first.name == "fp32"
    assert decided(broken) == decided(broken, divided=True) == decided(broken, steps=10) == first
    assert decided(broken, settings=SETTINGS.model_copy(update={"precision": "bf16"})).name == "bf16"
    assert decided(broken) == first
    with pytest.raises(AssertionError, match="measured again"):
        decided(broken, key="another key")
    divided = decided(broken, key="divided", divided=True)
    assert (divided.name, decided(broken, key="divided")) == ("bf16", divided)


def broken():
    raise AssertionError("measured again")
