"""What a run knows while it goes on."""

from __future__ import annotations

from types import SimpleNamespace

import torch

from burnish.train.ranks import Ranks
from burnish.train.state import RunState


def test_a_rank_that_goes_on_within_an_epoch_has_its_own_random_numbers_again():
    states = []
    for seed in (5, 6):
        torch.manual_seed(seed)
        states.append(torch.get_rng_state())
    wanted = torch.rand(4)
    told = SimpleNamespace(
        history=[],
        ranks=Ranks(rank=1, world=2),
        precision=SimpleNamespace(device="cpu"),
        _random={"cpu/2": torch.stack(states)},
    )
    RunState.start_epoch(told, seed=0)
    assert torch.equal(torch.rand(4), wanted)
    RunState.start_epoch(told, seed=0)
    assert not torch.equal(torch.rand(4), wanted)
