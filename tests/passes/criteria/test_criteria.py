from __future__ import annotations

import pytest
import torch

from burnish.core.doors import CRITERIA
from burnish.core.errors import Unsupported
from burnish.passes.criterion import GroupView


def group(**changes: object) -> GroupView:
    fields = {
        "name": "layer",
        "channels": 3,
        "producers": (torch.tensor([[3.0, 4.0], [1.0, 0.0], [0.0, -2.0]]),),
        "consumers": (torch.ones(3, 2),),
        "scales": (torch.tensor([-2.0, 1.0, 0.0]), torch.tensor([0.0, 1.0, 4.0])),
        "gates": torch.tensor([0.1, 0.2, 0.3]),
        "seed": 0,
    }
    return GroupView(**(fields | changes))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("l1", [7.0, 1.0, 2.0]),
        ("l2", [5.0, 1.0, 2.0]),
        ("bn-scale", [1.0, 1.0, 2.0]),
        ("taylor", [0.1, 0.2, 0.3]),
        ("fpgm", [20**0.5 + 45**0.5, 20**0.5 + 5**0.5, 45**0.5 + 5**0.5]),
    ],
)
def test_scores_are_what_the_papers_say(name: str, wanted: list[float]) -> None:
    torch.testing.assert_close(CRITERIA.get(name).score(group()), torch.tensor(wanted))


def test_several_producers_add_up() -> None:
    two = group(producers=(torch.ones(3, 2), 2 * torch.ones(3, 4)))
    assert CRITERIA.get("l1").score(two).tolist() == [10.0] * 3


def test_random_follows_seed_and_name() -> None:
    random = CRITERIA.get("random")
    assert torch.equal(random.score(group()), random.score(group()))
    assert not torch.equal(random.score(group()), random.score(group(seed=1)))
    assert not torch.equal(random.score(group()), random.score(group(name="other")))


@pytest.mark.parametrize(("name", "lacking"), [("bn-scale", {"scales": ()}), ("taylor", {"gates": None})])
def test_what_is_missing_is_named(name: str, lacking: dict[str, object]) -> None:
    with pytest.raises(Unsupported) as caught:
        CRITERIA.get(name).score(group(**lacking))
    assert caught.value.where == "layer"
