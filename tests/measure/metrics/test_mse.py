import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.measure.metrics.mse import PART

numbers = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=1, max_size=30)


@given(pairs=numbers)
def test_definition(pairs):
    predictions, targets = (np.array(side) for side in zip(*pairs, strict=True))
    expected = sum((p - t) ** 2 for p, t in pairs) / len(pairs)
    assert PART.compute(predictions[:, None], targets) == pytest.approx(expected)
    assert not PART.higher_is_better
    assert not PART.points


def test_a_row_of_several_values_counts_once():
    rows = PART.rows(np.array([[1.0, 3.0], [0.0, 0.0]]), np.array([[0.0, 3.0], [0.0, 0.0]]))
    assert rows.tolist() == [0.5, 0.0]
