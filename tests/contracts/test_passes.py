from __future__ import annotations

from typing import Any

import pytest
import torch

from burnish.core.doors import PASSES
from burnish.core.evidence import Change
from burnish.model.variant import Variant
from burnish.passes.base import Context, Outcome, Pass
from burnish.testing import check_pass
from tests import tiny

SETTINGS: dict[str, dict[str, Any]] = {
    "fit": {"epochs": 0.2},
    "distill": {"epochs": 0.2, "features": 0.5},
    "prune": {"macs": 0.6, "score_rows": 64, "recover": {"epochs": 0.2}},
    "quantize": {"method": "qat", "calibration_rows": 16, "max_drop": 1.0, "recover": {"epochs": 0.1}},
}


@pytest.mark.parametrize("name", PASSES.names())
def test_contract(name: str) -> None:
    assert PASSES.describe(name)
    check_pass(PASSES.get(name), SETTINGS[name], tiny.trained(), tiny.context())


class Careless(Pass):
    """Shifts weights."""

    in_place: bool = False
    random: bool = False

    def __call__(self, variant: Variant, context: Context) -> Outcome:
        work = variant if self.in_place else variant.copy()
        with torch.no_grad():
            for parameter in work.module.parameters():
                parameter += torch.rand(()) if self.random else 0.01
        return Outcome(variant=work, changes=(Change(where="all", what="shifted"),))


CARD = "Source: none. Cost: none."


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({"in_place": True}, "stays as it was"),
        ({"random": True}, "the same seed"),
        ({}, "a model that a pass cannot work on"),
    ],
)
def test_a_pass_that_breaks_a_rule_is_caught(
    settings: dict[str, Any],
    rule: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.contracts.test_passes.__doc__", CARD)
    with pytest.raises(AssertionError, match=rule):
        check_pass(Careless, settings, tiny.trained(), tiny.context())


def test_a_pass_without_a_card_is_caught() -> None:
    with pytest.raises(AssertionError, match="card"):
        check_pass(Careless, {}, tiny.trained(), tiny.context())
