import numpy as np
import pytest

from burnish.core.errors import BadData
from burnish.measure.labels import predicted_labels, row_differences


def test_labels_from_columns_or_one_score():
    assert predicted_labels(np.array([[0.1, 0.9], [2.0, 1.0]])).tolist() == [1, 0]
    assert predicted_labels(np.array([-1.0, 0.0, 0.5])).tolist() == [0, 0, 1]
    assert predicted_labels(np.array([[-1.0], [0.5]])).tolist() == [0, 1]


def test_differences_row_by_row():
    assert row_differences(np.array([[1], [2]], np.uint8), np.array([2, 2], np.uint8)).tolist() == [[-1], [0]]
    with pytest.raises(BadData, match="do not fit"):
        row_differences(np.ones((2, 2)), np.ones(2))
