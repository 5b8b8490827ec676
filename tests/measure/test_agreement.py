import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.errors import BurnishError
from burnish.measure.agreement import agreement


@given(n=st.integers(2, 30), c=st.integers(2, 9), seed=st.integers(0, 99))
def test_equal_arrays_agree_wholly(n, c, seed):
    a = np.random.default_rng(seed).normal(size=(n, c)).astype(np.float32)
    found = agreement(a, a.copy())
    assert (found.max_abs, found.relative, found.top1) == (0, 0, 1)


def test_known_distances():
    found = agreement(np.array([[0.0, 2.0], [3.0, 1.0]]), np.array([[1.0, 0.0], [3.0, 1.0]]))
    assert found.max_abs == 2
    assert found.relative == pytest.approx(2 / np.std([1, 0, 3, 1]))
    assert found.top1 == 0.5


def test_constant_reference_and_single_numbers():
    assert agreement(np.ones(3), np.ones(3)).relative == 0
    found = agreement(np.array([1.0, 2.0]), np.ones(2))
    assert math.isinf(found.relative)
    assert found.top1 is None


def test_nan_shows_and_shapes_must_fit():
    assert math.isnan(agreement(np.array([np.nan, 1]), np.array([1.0, 2])).max_abs)
    with pytest.raises(BurnishError, match="cannot compare"):
        agreement(np.ones((2, 3)), np.ones((3, 2)))
