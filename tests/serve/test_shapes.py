from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.signature import Signature, TensorSpec
from burnish.serve.shapes import Shapes, fill, step_up

SIGNATURE = Signature(
    inputs=(
        TensorSpec(name="ids", dtype="int64", shape=("batch", "length")),
        TensorSpec(name="mask", dtype="int64", shape=("batch", "length")),
    ),
    outputs=(
        TensorSpec(name="tokens", dtype="float32", shape=("batch", "length", 2)),
        TensorSpec(name="whole", dtype="float32", shape=("batch", 3)),
    ),
)


def request(rows: int, length: int) -> dict[str, np.ndarray]:
    return {name: np.arange(1, rows * length + 1).reshape(rows, length) for name in ("ids", "mask")}


@given(st.integers(1, 5000))
def test_a_step_is_never_smaller_and_never_far(size):
    assert size <= step_up(size) < size + 64
    assert step_up(step_up(size)) == step_up(size)


def test_without_padding_only_equal_lengths_share_a_bucket():
    shapes = Shapes(SIGNATURE)
    assert shapes.bucket(request(1, 5)) == shapes.bucket(request(3, 5)) != shapes.bucket(request(1, 6))
    assert shapes.sizes(request(1, 5)) == {}


def test_with_padding_lengths_of_one_step_share_it_and_outputs_are_cut():
    shapes = Shapes(SIGNATURE, frozenset({"length"}))
    assert shapes.bucket(request(1, 5)) == shapes.bucket(request(1, 16)) == (("ids", (16,)), ("mask", (16,)))
    outputs = {"tokens": np.zeros((2, 16, 2)), "whole": np.ones((2, 3))}
    own = shapes.cut(outputs, shapes.sizes(request(2, 5)))
    assert own["tokens"].shape == (2, 5, 2) and own["whole"].shape == (2, 3)
    outputs["whole"][:] = 7
    assert (own["whole"] == 1).all()


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 16)), min_size=1, max_size=5))
def test_rows_lie_one_behind_the_other_with_zeros_behind_them(found):
    arrays = [request(rows, length)["ids"] for rows, length in found]
    place = np.full((sum(rows for rows, _ in found), 16), -1, np.int64)
    fill(place, arrays)
    row = 0
    for array in arrays:
        for line in array:
            assert place[row].tolist() == [*line.tolist(), *[0] * (16 - len(line))]
            row += 1


def test_a_shorter_row_fits_a_longer_bucket_and_never_the_other_way():
    shapes = Shapes(SIGNATURE, frozenset({"length"}))
    short, long = (shapes.bucket(request(1, length)) for length in (5, 40))
    assert shapes.fits(short, long)
    assert not shapes.fits(long, short) and not shapes.fits(short, short)
    assert not Shapes(SIGNATURE).fits(short, long)
