from __future__ import annotations

from itertools import combinations

import pytest
from _lib.clairvoyant import most_in_time
from _lib.policies import POLICIES, answered_in_time
from hypothesis import example, given, settings
from hypothesis import strategies as st

COST = (0.0, 0.010, 0.012, 0.013)


def by_force(arrivals: list[float], limit: float) -> int:
    """Every subset, every way to cut it into batches of neighbours, each begun as early as it can be."""

    def able(chosen: tuple[float, ...]) -> bool:
        def from_here(place: int, free: float) -> bool:
            if place == len(chosen):
                return True
            for rows in range(1, min(3, len(chosen) - place) + 1):
                end = max(free, chosen[place + rows - 1]) + COST[rows]
                if end <= chosen[place] + limit + 1e-9 and from_here(place + rows, end):
                    return True
            return False

        return from_here(0, 0.0)

    for size in range(len(arrivals), 0, -1):
        if any(able(chosen) for chosen in combinations(arrivals, size)):
            return size
    return 0


whole = st.lists(st.integers(0, 60), min_size=1, max_size=7).map(lambda found: [n / 1000 for n in sorted(found)])


@settings(max_examples=60)
@given(arrivals=whole, limit=st.integers(10, 40).map(lambda n: n / 1000))
def test_on_the_grid_it_is_the_optimum(arrivals, limit):
    exact = by_force(arrivals, limit)
    assert most_in_time(arrivals, limit, COST, grid=0.001) == exact
    assert most_in_time(arrivals, limit, COST, grid=0.001, upper=True) == exact


@settings(max_examples=40)
@given(st.lists(st.floats(0.0, 0.06), min_size=1, max_size=7).map(sorted), st.floats(0.011, 0.04))
def test_off_the_grid_the_optimum_lies_between_the_bounds(arrivals, limit):
    exact = by_force(arrivals, limit)
    assert most_in_time(arrivals, limit, COST) <= exact <= most_in_time(arrivals, limit, COST, upper=True)


@pytest.mark.parametrize("name", POLICIES)
@settings(max_examples=40)
@given(arrivals=whole, limit=st.floats(0.011, 0.04))
@example(arrivals=[0.001, 0.01, 0.024], limit=0.011)  # rounding once left a request neither dropped nor run
def test_no_policy_beats_the_bound(name, arrivals, limit):
    share = answered_in_time(POLICIES[name], arrivals, limit, COST)
    assert round(share * len(arrivals)) <= most_in_time(arrivals, limit, COST, upper=True)
