import pytest

from burnish.pipeline.places import places


@pytest.mark.parametrize(
    ("precisions", "fastest", "expected"),
    [
        (["fp32"], "b", [["a", "b"]]),
        (["fp32", "fp32"], "b", [["a", "b"], ["a", "b"]]),
        (["fp32", "fp32", "int8"], "b", [["a", "b"], ["a", "b"], ["a", "b"]]),
        (["fp32", "fp32", "int8"], "a", [["a", "b"], ["a"], ["a", "b"]]),
        (["fp32", "fp32", "fp32", "int8"], "b", [["a", "b"], ["a"], ["a", "b"], ["a", "b"]]),
        (["fp32", "fp32", "int8"], "", [["a", "b"], ["a"], ["a", "b"]]),
    ],
)
def test_the_last_model_in_floating_point_also_runs_where_the_base_was_fastest(precisions, fastest, expected):
    assert places(precisions, ["a"] * len(precisions), ["a", "b"], fastest) == expected


def test_without_a_useful_backend_the_target_is_left():
    assert places(["fp32", "int8"], ["a", "b"], [], "") == [["a"], ["b"]]
