"""What the first rank does for a training: alone in its team, it must end where it ends without one, bit for bit."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from burnish.core.errors import Unsupported
from burnish.model.variant import Variant
from burnish.passes.base import Context, Pass
from burnish.passes.distillation.recover import Recover, recover
from burnish.passes.kinds.distill import Distill
from burnish.passes.kinds.fit import Fit
from burnish.passes.kinds.prune import Prune
from burnish.passes.kinds.quantize import Quantize
from burnish.passes.together import Order, Team, together
from burnish.train.ranks import Ranks
from tests import tiny

RECOVER = {"epochs": 1.0}


def team(build: Callable[[], nn.Module]) -> Team:
    return Team(ranks=Ranks(), idle=Ranks(), build=build, threads=1)


def fresh() -> nn.Module:
    return tiny.workload().build().eval()


@pytest.mark.parametrize(
    "pass_",
    [
        Fit(epochs=1.0),
        Distill(epochs=1.0),
        Prune(ratio=0.4, criterion="l1", recover=Recover(**RECOVER)),
        Prune(ratio=0.4, criterion="l1", steps=2, recover=Recover(**RECOVER)),
        Quantize(method="qat", calibration_rows=16, recover=Recover(**RECOVER)),
    ],
    ids=lambda pass_: type(pass_).__name__,
)
def test_a_model_that_is_built_again_trains_as_the_one_it_was_built_from(pass_: Pass) -> None:
    found = []
    for who in (None, team(fresh)):
        torch.manual_seed(0)
        outcome = pass_(tiny.trained(), tiny.context(team=who))
        found.append((outcome.variant.module.state_dict(), outcome.variant.module.training))
    (alone, _), (both, training) = found
    assert list(alone) == list(both)
    assert all(torch.equal(tensor, both[name]) for name, tensor in alone.items())
    assert training is False


def test_what_is_frozen_tied_or_not_saved_stays_so() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(3, 3), nn.Linear(3, 3)
            self.register_buffer("scale", torch.zeros(1), persistent=False)

    def body(module: nn.Module, context: Context, teacher: nn.Module | None) -> tuple[bool, bool, float]:
        del context, teacher
        assert module is not odd
        with torch.no_grad():
            module.one.bias.fill_(7.0)
        return module.one.weight is module.two.weight, module.two.bias.requires_grad, float(module.scale)

    odd = Odd()
    odd.two.weight = odd.one.weight
    odd.two.bias.requires_grad_(False)
    odd.scale.fill_(5.0)
    found = together(Order(kind="recover"), body, Variant(module=odd), tiny.context(team=team(Odd)))
    assert found == (True, False, 5.0)
    assert odd.one.bias.tolist() == [7.0] * 3 and odd.two.weight is odd.one.weight


def test_records_that_do_not_lead_to_the_model_are_said_before_others_are_told() -> None:
    class Deaf(Team):
        def _tell(self, order: Order) -> None:
            raise AssertionError(order)

    small = Prune(ratio=0.4, criterion="l1", recover=Recover(epochs=0))(tiny.trained(), tiny.context()).variant
    bare = Variant(module=small.module)
    deaf = Deaf(ranks=Ranks(), idle=Ranks(), build=fresh, threads=1)
    with pytest.raises(Unsupported, match="built again"):
        recover(bare, tiny.context(team=deaf), Recover(epochs=1.0), label="recover")
