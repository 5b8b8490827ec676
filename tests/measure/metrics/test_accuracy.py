import numpy as np
from hypothesis import given

from burnish.measure.metrics.accuracy import PART
from tests.measure.metrics.cases import problems


@given(problem=problems())
def test_counts_right_rows(problem):
    scores, targets = problem
    right = sum(
        max(range(len(row)), key=lambda c: (row[c], -c)) == target for row, target in zip(*problem, strict=True)
    )
    assert PART.compute(scores, targets) == right / len(targets)
    assert PART.rows(scores, targets).mean() == PART.compute(scores, targets)


def test_one_score():
    assert PART.compute(np.array([[-1.0], [2.0]]), np.array([[0], [0]])) == 0.5
