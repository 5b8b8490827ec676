import numpy as np
import pytest
from hypothesis import given

from burnish.measure.metrics.f1 import PART
from tests.measure.metrics.cases import problems


def reference(labels, targets, c):
    hit = sum(a == c and b == c for a, b in zip(labels, targets, strict=True))
    found, wanted = (sum(v == c for v in values) for values in (labels, targets))
    if not hit:
        return 0.0
    precision, recall = hit / found, hit / wanted
    return 2 * precision * recall / (precision + recall)


@given(problem=problems(min_classes=3))
def test_macro_average(problem):
    scores, targets = problem
    labels = scores.argmax(-1).tolist()
    classes = sorted({*labels, *targets.tolist()})
    expected = np.mean([reference(labels, targets.tolist(), c) for c in classes])
    assert PART.compute(scores, targets) == pytest.approx(expected)
    assert PART.rows(scores, targets) is None


@given(problem=problems(min_classes=2, max_classes=2))
def test_binary_is_class_one(problem):
    scores, targets = problem
    labels = scores.argmax(-1).tolist()
    assert PART.compute(scores, targets) == pytest.approx(reference(labels, targets.tolist(), 1))


def test_nothing_found_and_nothing_wanted():
    assert PART.compute(np.array([-1.0, -2.0]), np.array([0, 0])) == 0
