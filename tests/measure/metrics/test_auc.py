import numpy as np
import pytest
from hypothesis import given

from burnish.core.errors import BadData
from burnish.measure.metrics.auc import PART
from tests.measure.metrics.cases import problems


def reference(scores, positive):
    """Every pair, one by one."""
    pairs = [
        (a, b)
        for a, p in zip(scores, positive, strict=True)
        if p
        for b, q in zip(scores, positive, strict=True)
        if not q
    ]
    return sum((a > b) + 0.5 * (a == b) for a, b in pairs) / len(pairs)


@given(problem=problems(min_classes=2, max_classes=2))
def test_binary_counts_pairs(problem):
    scores, targets = problem
    difference = scores[:, 1] - scores[:, 0]
    expected = reference(difference, targets == 1)
    assert PART.compute(scores, targets) == pytest.approx(expected)
    assert PART.compute(difference, targets) == pytest.approx(expected)
    assert PART.compute(-difference[:, None], targets) == pytest.approx(1 - expected)


@given(problem=problems(min_classes=3, max_classes=5))
def test_more_classes_each_against_the_rest(problem):
    scores, targets = problem
    expected = np.mean([reference(scores[:, c], targets == c) for c in range(scores.shape[1])])
    assert PART.compute(scores, targets) == pytest.approx(expected)


@pytest.mark.parametrize("targets", [[1, 1], [0, 2]])
def test_one_class_is_no_curve(targets):
    with pytest.raises(BadData, match="AUC needs"):
        PART.compute(np.array([0.1, 0.2]), np.array(targets))
