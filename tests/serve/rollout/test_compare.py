from __future__ import annotations

import numpy as np
import pytest

from burnish.serve.rollout.compare import differing


def f32(*rows):
    return np.array(rows, np.float32)


@pytest.mark.parametrize(
    ("ours", "theirs", "classes", "share"),
    [
        (f32([1, 2], [2, 1]), f32([0, 9], [0, 9]), True, 0.5),
        (f32([1, 2], [np.nan, 1]), f32([0, 9], [0, 9]), True, 0.5),
        (f32([1.0, 0], [1, 0]), f32([1.01, 0], [2, 0]), False, 0.5),
        (f32([np.nan]), f32([1]), False, 1.0),
        (f32([0.0]), f32([0.0]), False, 0.0),
        (f32([1, 2]), f32([1, 2], [1, 2]), True, 1.0),
        (np.array([3, 4]), np.array([3, 5]), True, 0.5),
        (np.array(["a", "b"]), np.array(["a", "b"]), False, 0.0),
    ],
    ids=["classes", "a class that is no number", "distance", "no number", "zeros", "shapes", "codes", "texts"],
)
def test_share_of_rows_that_differ(ours, theirs, classes, share):
    assert differing({"y": ours}, {"y": theirs}, classes=classes, distance=0.05) == share


def test_an_output_that_is_missing_differs():
    assert differing({"x": f32([1])}, {"y": f32([1])}, classes=False, distance=0.05) == 1.0
