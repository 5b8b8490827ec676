from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.artifact.triton.tuning import Tuning, tune


def fixed_cost(rows: int) -> float:
    """50 ms a batch, whatever is in it."""
    return 0.050


def test_a_fixed_cost_is_shared_by_the_largest_batch_and_a_tenth_of_it_is_waited():
    assert tune(fixed_cost, 16) == Tuning(16, (16,), 5000)


def test_where_rows_only_add_up_nothing_is_held():
    assert tune(lambda rows: 0.002 * rows, 16) == Tuning(16)


def test_sizes_that_are_nearly_as_good_are_preferred_too():
    assert tune(lambda rows: 0.001 + 0.001 * rows, 64, instances=2) == Tuning(64, (16, 32, 64), 100, 2)


def test_the_target_limits_sizes_and_delay():
    found = tune(lambda rows: 0.010 + 0.001 * rows, 64, target_s=0.030)
    assert found.preferred == (16,) and found.max_batch == 64
    assert found.delay_us == 1000
    assert tune(lambda rows: 0.010 + 0.001 * rows, 64, target_s=0.0262).delay_us == pytest.approx(200)


def test_a_target_that_nothing_meets_means_no_delay():
    assert tune(fixed_cost, 8, target_s=0.01) == Tuning(8)


@given(st.floats(1e-4, 1.0), st.floats(1e-5, 1.0), st.integers(1, 64), st.none() | st.floats(1e-3, 2.0))
def test_what_is_found_keeps_its_promises(cost, each, max_batch, target):
    found = tune(lambda rows: cost + each * rows, max_batch, target_s=target)
    assert found.delay_us >= 0 and all(1 < size <= max_batch for size in found.preferred)
    if target is not None:
        longest = max(found.preferred, default=0)
        assert not longest or cost + each * longest + found.delay_us / 1e6 <= target + 1e-6
