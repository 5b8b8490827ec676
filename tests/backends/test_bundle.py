import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from burnish.backends.bundle import check_inputs, check_outputs, name_outputs, to_numpy, to_torch
from burnish.core.errors import BadRequest, BurnishError
from burnish.core.signature import Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="ids", dtype="int64", shape=("batch", "length")),
        TensorSpec(name="image", dtype="float32", shape=("batch", 3, 4)),
    ),
    outputs=(TensorSpec(name="scores", dtype="float32", shape=("batch", 2)),),
)


def good(batch=2, length=5):
    return {"ids": np.zeros((batch, length), np.int64), "image": np.zeros((batch, 3, 4), np.float32)}


@given(batch=st.integers(1, 9), length=st.integers(1, 40))
def test_sizes_of_fitting_inputs(batch, length):
    assert check_inputs(good(batch, length), SIGNATURE) == {"batch": batch, "length": length}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"ids": None}, "input 'ids' is missing"),
        ({"imagee": np.zeros(1)}, "did you mean 'image'?"),
        ({"ids": np.zeros((2, 5), np.int32)}, "input 'ids' is int32, expected int64"),
        ({"ids": np.zeros(5, np.int64)}, r"has the shape \(5\), expected \(batch, length\)"),
        ({"image": np.zeros((2, 3, 5), np.float32)}, r"has the shape \(2, 3, 5\), expected \(batch, 3, 4\)"),
        ({"image": np.zeros((3, 3, 4), np.float32)}, "batch is 2 in an earlier input"),
        ({"ids": np.zeros((2, 0), np.int64)}, "length is 0"),
        ({"ids": [[1, 2]]}, "is a list"),
    ],
)
def test_what_does_not_fit_is_named(change, text):
    inputs = {name: value for name, value in (good() | change).items() if value is not None}
    with pytest.raises(BadRequest, match=text):
        check_inputs(inputs, SIGNATURE)


def test_tensors_own_their_values():
    array = np.arange(6, dtype=np.float32).reshape(2, 3).T
    tensor = to_torch({"a": array})["a"]
    array[:] = 0
    assert tensor.tolist() == [[0, 3], [1, 4], [2, 5]]


def test_bfloat16_becomes_float32():
    found = to_numpy({"a": torch.tensor([1.5], dtype=torch.bfloat16)})["a"]
    assert found.dtype == np.float32
    assert found.tolist() == [1.5]


def test_outputs_are_named_in_order():
    assert name_outputs([torch.ones(1, 2)], SIGNATURE)["scores"].tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="zip"):
        name_outputs([torch.ones(1), torch.ones(1)], SIGNATURE)


def test_outputs_have_the_sizes_of_the_inputs():
    check_outputs({"scores": np.ones((2, 2))}, good(2), SIGNATURE, "b")
    for wrong in (np.ones((3, 2)), np.ones((2, 1)), np.ones(2)):
        with pytest.raises(BurnishError, match="failed on these inputs") as caught:
            check_outputs({"scores": wrong}, good(2), SIGNATURE, "b")
        assert "output 'scores' has the shape" in caught.value.why
