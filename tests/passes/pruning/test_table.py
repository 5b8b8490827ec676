from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import isotonic_regression

from burnish.passes.pruning.table import isotonic

SAVED = st.dictionaries(st.integers(0, 64), st.floats(-10, 10), min_size=1, max_size=12)


@given(SAVED)
def test_savings_grow_as_layers_get_narrower_and_are_nearest_to_what_was_measured(saved: dict[int, float]) -> None:
    found = isotonic(saved)
    widths = sorted(saved)
    assert sorted(found) == widths
    reference = isotonic_regression(np.array([saved[width] for width in widths]), increasing=False)
    assert [found[width] for width in widths] == pytest.approx(np.maximum(reference, 0.0).tolist(), abs=1e-9)


def test_a_width_that_noise_made_fast_does_not_lend_all_of_it_to_narrower_ones() -> None:
    assert isotonic({4: 1.0, 8: 1.0, 12: 4.0}) == {4: 2.0, 8: 2.0, 12: 2.0}
    assert isotonic({4: 3.0, 8: 2.0, 12: -1.0}) == {4: 3.0, 8: 2.0, 12: 0.0}
