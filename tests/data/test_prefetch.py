import threading
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.data.prefetch import ahead
from burnish.data.split import Split


def jobs(count, made=None):
    def make(index):
        if made is not None:
            made.append(index)
        return index

    return (lambda index=index: make(index) for index in range(count))


@settings(max_examples=40, deadline=None)
@given(count=st.integers(0, 30), workers=st.integers(0, 5))
def test_results_come_in_order(count, workers):
    assert list(ahead(jobs(count), workers)) == list(range(count))


def test_no_more_is_made_than_will_be_needed_soon():
    made = []
    results = ahead(jobs(100, made), 3)
    assert list(islice(results, 10)) == list(range(10))
    results.close()
    assert max(made) < 10 + 2 * 3
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("burnish-rows")]


@pytest.mark.parametrize("workers", [0, 1, 4])
def test_an_error_comes_where_its_result_would(workers):
    def bad():
        raise ValueError("row 3")

    results = ahead([*jobs(3), bad, *jobs(2)], workers)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="row 3"):
        next(results)


def test_batches_are_the_same_bits_for_any_number_of_workers():
    rng = np.random.default_rng(0)
    split = Split(
        inputs={"image": rng.integers(0, 255, (300, 3, 9, 9), np.uint8)},
        targets=rng.integers(0, 10, 300),
        augment=lambda inputs, generator: {"image": inputs["image"] + torch.rand(9, generator=generator)},
        prepare=lambda inputs: {"image": (inputs["image"] - 127).div_(31).exp_()},
    )
    plain = list(split.shuffled(16, seed=1, epoch=2))
    for workers in (1, 2, 5):
        made = list(split.shuffled(16, seed=1, epoch=2, workers=workers))
        assert all(torch.equal(a.inputs["image"], b.inputs["image"]) for a, b in zip(plain, made, strict=True))
        assert all(torch.equal(a.rows, b.rows) for a, b in zip(plain, made, strict=True))
