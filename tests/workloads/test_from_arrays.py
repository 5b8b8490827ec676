from __future__ import annotations

import numpy as np
import pytest
from torch import nn

from burnish.core.errors import BadData
from burnish.workloads.from_arrays import from_arrays


def rows(count: int, width: int = 4) -> np.ndarray:
    return np.random.default_rng(count).normal(size=(count, width)).astype(np.float32)


PAIR = (rows(40), np.arange(40) % 3)


def test_inputs_alone_are_rows_without_labels() -> None:
    work = from_arrays(nn.Linear(4, 3), train=PAIR, test=PAIR, unlabelled=rows(7))
    assert work.unlabelled is not None
    assert work.unlabelled.inputs["input"].shape == (7, 4)
    assert len(work.train.with_unlabelled(work.unlabelled)) == len(work.train) + 7
    assert from_arrays(nn.Linear(4, 3), train=PAIR, test=PAIR).unlabelled is None


def test_inputs_that_do_not_fit_are_named() -> None:
    with pytest.raises(BadData, match=r"'input' is of shape \[5\] per row, training rows have \[4\]"):
        from_arrays(nn.Linear(4, 3), train=PAIR, test=PAIR, unlabelled=rows(7, 5))
