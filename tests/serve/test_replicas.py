from __future__ import annotations

import pytest

from burnish.core.errors import RecipeError
from burnish.serve.replicas import Replicas, ongoing


@pytest.mark.parametrize(("text", "low", "high"), [("1", 1, 1), ("3", 3, 3), ("1:4", 1, 4), ("2:2", 2, 2)])
def test_numbers_are_read(text: str, low: int, high: int):
    assert Replicas.read(text) == Replicas(low=low, high=high)


@pytest.mark.parametrize("text", ["", "0", "4:1", "1:", ":3", "a:b", "1:2:3", "-1", "1.5"])
def test_others_are_refused(text: str):
    with pytest.raises(RecipeError, match="not a number of replicas"):
        Replicas.read(text)


def test_without_a_target_a_replica_holds_one_batch_that_runs_and_one_that_waits():
    assert ongoing(lambda rows: 0.05, 16, 2, None) == 64


def test_a_target_leaves_room_for_what_can_be_answered_within_it():
    assert ongoing(lambda rows: 0.005 * rows, 32, 1, 0.05) == pytest.approx(7)  # 200 rows/s for 50 ms, 70 % of it
    assert ongoing(lambda rows: 0.050, 16, 1, 0.15) == 32
    assert ongoing(lambda rows: 0.1, 1, 1, 0.05) == 1.0
