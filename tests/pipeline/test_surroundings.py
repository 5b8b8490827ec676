"""What passes are told about a workload."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from burnish.core.doors import METRICS
from burnish.core.progress import Silent
from burnish.passes.base import Context
from burnish.pipeline.surroundings import context_of
from tests import tiny


def context(**changes: Any) -> Context:
    work = replace(tiny.workload(), **changes)
    return context_of(
        work, fit=work.fit, seed=0, machine="", threads=1, target="eager", served=work.served, progress=Silent()
    )


class _Blind(nn.Module):
    """Always the same class."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.eye(10)[[0] * len(image)]


def test_a_difference_is_that_of_the_scores_on_the_same_rows() -> None:
    found = context()
    good, blind = tiny.trained().module, _Blind()
    assert found.difference is not None
    gain = found.difference(good, blind)
    assert gain["value"] == pytest.approx(found.score(good) - found.score(blind))
    assert 0 < gain["low"] < gain["value"] < gain["high"]
    assert found.difference(blind, good) == pytest.approx(
        {"value": -gain["value"], "low": -gain["high"], "high": -gain["low"]}
    )


class _Rows(nn.Module):
    """Answers every row with one number."""

    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = value

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.full((len(image),), self.value)


def test_where_lower_is_better_the_nearer_one_is_above() -> None:
    rows = tiny.workload().validation
    numbers = replace(rows, targets=np.linspace(0, 1, len(rows), dtype=np.float32))
    found = context(validation=numbers, metric=METRICS.get("mae"))
    assert found.difference is not None
    gain = found.difference(_Rows(0.5), _Rows(3.0))
    assert gain["value"] == pytest.approx(2.25, abs=0.01) and 0 < gain["low"] <= gain["high"]
