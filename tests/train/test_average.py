from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from burnish.train.average import Average


@given(
    decay=st.floats(0, 0.999),
    weights=st.lists(st.floats(-100, 100, width=32), min_size=1, max_size=20),
    start=st.floats(-100, 100, width=32),
)
def test_it_is_the_recurrence_written_out(decay: float, weights: list[float], start: float) -> None:
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, start)
    average, expected = Average(module, decay), start
    for step, weight in enumerate(weights):
        nn.init.constant_(module.weight, weight)
        average.update(step)
        now = min(decay, (1 + step) / (10 + step))
        expected = now * expected + (1 - now) * weight
    assert float(average.values["weight"]) == pytest.approx(expected, abs=1e-3)
    assert min([start, *weights]) - 1e-3 <= float(average.values["weight"]) <= max([start, *weights]) + 1e-3


def test_in_place_and_back_also_after_an_error() -> None:
    module = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = Average(module, 0.9)
    with torch.no_grad():
        module[0].weight.fill_(1.0)
    module[1].running_mean.fill_(2.0)
    module[1].num_batches_tracked.fill_(3)
    averages = {name: value.clone() for name, value in average.values.items()}
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with pytest.raises(KeyboardInterrupt), average.in_place():
        state = module.state_dict()
        assert all(torch.equal(state[name], value) for name, value in averages.items())
        assert int(state["1.num_batches_tracked"]) == 3
        raise KeyboardInterrupt
    assert all(torch.equal(module.state_dict()[name], value) for name, value in before.items())
    assert all(torch.equal(average.values[name], value) for name, value in averages.items())


def test_it_comes_back_as_it_was() -> None:
    one, two = (Average(nn.Linear(3, 3), 0.5) for _ in range(2))
    two.load({name: value.clone() for name, value in one.values.items()})
    assert all(torch.equal(one.values[name], two.values[name]) for name in one.values)
