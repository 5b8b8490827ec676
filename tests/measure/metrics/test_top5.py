import numpy as np
from hypothesis import given

from burnish.measure.metrics.top5 import PART
from tests.measure.metrics.cases import problems


@given(problem=problems(min_classes=2, max_classes=12))
def test_counts_targets_among_the_five(problem):
    scores, targets = problem
    right = 0
    for row, target in zip(scores, targets, strict=True):
        before = sum((row[c], -c) > (row[target], -target) for c in range(len(row)))
        right += before < 5
    assert PART.compute(scores, targets) == right / len(targets)


def test_unsigned_scores_do_not_wrap():
    scores = np.arange(10, dtype=np.uint8)[None]
    assert PART.compute(scores, np.array([9])) == 1
    assert PART.compute(scores, np.array([0])) == 0
