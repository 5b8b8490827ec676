from __future__ import annotations

import pytest
import torch
from torch import Tensor

from burnish.core.doors import CRITERIA
from burnish.passes.criterion import Criterion, GroupView
from burnish.testing import check_criterion


@pytest.mark.parametrize("name", CRITERIA.names())
def test_contract(name: str) -> None:
    assert CRITERIA.describe(name)
    check_criterion(CRITERIA.get(name), control=name == "random")


class Upside(Criterion):
    def score(self, group: GroupView) -> Tensor:
        return 1 / (1e-3 + group.producers[0].abs().sum(1))


class Negative(Criterion):
    def score(self, group: GroupView) -> Tensor:
        return -group.producers[0].abs().sum(1)


class Endless(Criterion):
    def score(self, group: GroupView) -> Tensor:
        return torch.full((group.channels,), float("inf"))


class Scalar(Criterion):
    def score(self, group: GroupView) -> Tensor:
        return torch.ones(())


class Moody(Criterion):
    def score(self, group: GroupView) -> Tensor:
        return torch.rand(group.channels)


@pytest.mark.parametrize(
    ("kind", "rule"),
    [
        (Upside, "more often than at random"),
        (Negative, "not negative"),
        (Endless, "finite"),
        (Scalar, "one score per channel"),
        (Moody, "the same"),
    ],
)
def test_a_criterion_that_breaks_a_rule_is_caught(kind: type[Criterion], rule: str) -> None:
    with pytest.raises(AssertionError, match=rule):
        check_criterion(kind())


def test_random_is_no_better_than_random() -> None:
    with pytest.raises(AssertionError, match="more often than at random"):
        check_criterion(CRITERIA.get("random"))
