from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.passes.pruning.table import isotonic

SAVED = st.dictionaries(st.integers(0, 64), st.floats(-10, 10), min_size=1, max_size=12)


@given(SAVED, st.randoms(use_true_random=False))
def test_savings_grow_as_layers_get_narrower_and_are_nearest_to_what_was_measured(saved: dict[int, float], rng) -> None:
    found = isotonic(saved)
    widths = sorted(saved)
    assert list(found) == widths
    assert all(narrow >= wide >= 0 for narrow, wide in pairwise([*found.values(), 0.0]))
    other = sorted((rng.uniform(0, 10) for _ in widths), reverse=True)

    def distance(savings: list[float]) -> float:
        return sum((saved[width] - saving) ** 2 for width, saving in zip(widths, savings, strict=True))

    for share in (1.0, 0.1, 0.001):  # the way to any other such savings leads away
        between = [mine + share * (theirs - mine) for mine, theirs in zip(found.values(), other, strict=True)]
        assert distance(list(found.values())) <= distance(between) + 1e-9


def test_a_width_that_noise_made_fast_does_not_lend_all_of_it_to_narrower_ones() -> None:
    assert isotonic({4: 1.0, 8: 1.0, 12: 4.0}) == pytest.approx({4: 2.0, 8: 2.0, 12: 2.0})
    assert isotonic({4: 3.0, 8: 2.0, 12: -1.0}) == {4: 3.0, 8: 2.0, 12: 0.0}
