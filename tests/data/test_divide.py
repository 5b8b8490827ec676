import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import BadData
from burnish.data.divide import divide


@settings(max_examples=50)
@given(labels=st.lists(st.integers(0, 3), min_size=60, max_size=300), seed=st.integers(0, 5))
def test_every_row_in_one_part_and_classes_in_their_share(labels, seed):
    targets = np.array(labels)
    shares = (0.6, 0.2, 0.2)
    parts = divide(targets, shares, seed=seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(targets)))
    for share, part in zip(shares, parts, strict=True):
        for value in np.unique(targets):
            expected = share * (targets == value).sum()
            assert abs((targets[part] == value).sum() - expected) <= 1
    again = divide(targets, shares, seed=seed)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))


def test_another_seed_another_division():
    targets = np.zeros(100)
    assert not np.array_equal(divide(targets, (0.5, 0.5), seed=0)[0], divide(targets, (0.5, 0.5), seed=1)[0])


def test_too_few_rows():
    with pytest.raises(BadData, match="too few"):
        divide(np.array([0, 1]), (0.8, 0.1, 0.1), seed=0)
    with pytest.raises(BadData, match="too few"):
        divide(np.array([]), (0.5, 0.5), seed=0)
