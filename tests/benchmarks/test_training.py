"""Quick forms of the bars of benchmarks/train.py."""

from __future__ import annotations

from dataclasses import replace

import pytest
from _lib.training import by_hand
from _lib.training.cases import CASES
from _lib.training.loop_child import losses_of_ours
from _lib.training.optimizers import REFERENCES, distance


def test_our_loop_has_the_losses_of_one_by_hand() -> None:
    """Bit for bit, with clipping, decay and a schedule."""
    made = CASES["perceptron"]()
    case = replace(made, settings=made.settings.model_copy(update={"epochs": 2}))
    by_ours, wanted = losses_of_ours(case.fresh(), case, 3), by_hand.train(case.fresh(), case, 3)
    assert len(wanted) == 2 * case.split.num_batches(case.settings.batch_size)
    assert by_ours == wanted


@pytest.mark.parametrize("name", REFERENCES)
def test_an_optimizer_is_the_one_of_its_paper(name: str) -> None:
    assert distance(name, *REFERENCES[name]) <= 1e-6
