from __future__ import annotations

import itertools

import pytest
import torch

from burnish.train.kept import Kept
from burnish.train.losses import cross_entropy
from burnish.train.objectives import task
from burnish.train.trial import StepTrial, remembered
from tests.train.test_loop import SETTINGS, net, rows, same


def trial(module, clock):
    return StepTrial(
        module=module,
        split=rows(),
        objective=task(cross_entropy()),
        settings=SETTINGS,
        seed=1,
        device=torch.device("cpu"),
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


def test_a_run_that_goes_on_decides_as_before(tmp_path):
    def kept(key: str) -> Kept:
        return Kept(checkpoint=tmp_path / "fit", key=key, name="precision")

    first = remembered(trial(net(), ticks()), kept("key"))(("fp32", "bf16"))
    again = remembered(trial(net(), broken), kept("key"))(("fp32", "bf16"))
    assert again == first
    with pytest.raises(AssertionError, match="measured again"):
        remembered(trial(net(), broken), kept("another key"))(("fp32", "bf16"))
    with pytest.raises(AssertionError, match="measured again"):
        remembered(trial(net(), broken), kept("key"))(("fp32", "fp16"))


def broken():
    raise AssertionError("measured again")
