import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from burnish.measure.plan import LONG_MS, MIN_ROUNDS, Plan, plan_turns

PAUSE = 0.05
times = st.lists(st.floats(0.01, 3000), min_size=1, max_size=6)


@given(call_ms=times, num_requests=st.integers(1, 64), rounds=st.integers(3, 20), budget=st.floats(1, 200))
def test_every_plan_is_usable(call_ms, num_requests, rounds, budget):
    plan = plan_turns(call_ms, num_requests=num_requests, rounds=rounds, calls=None, budget_s=budget, pause_s=PAUSE)
    assert MIN_ROUNDS <= plan.rounds <= rounds
    assert 1 <= plan.window <= num_requests
    assert all(again * plan.window >= 3 for again in plan.repeats)
    shortest = Plan(rounds=MIN_ROUNDS, window=1, repeats=(3,) * len(call_ms))
    if shortest.total_s(call_ms, PAUSE) <= budget:
        assert plan.total_s(call_ms, PAUSE) <= budget * 1.0001


@given(call_ms=times, num_requests=st.integers(1, 64))
@example(call_ms=[1 / 3], num_requests=9)  # 150 ms but for rounding
def test_turns_last_long_enough_when_there_is_time(call_ms, num_requests):
    plan = plan_turns(call_ms, num_requests=num_requests, rounds=5, calls=None, budget_s=1e9, pause_s=PAUSE)
    for ms, again in zip(call_ms, plan.repeats, strict=True):
        turn = ms * again * plan.window
        assert turn >= 150 or turn == pytest.approx(150)
        assert turn <= max(2 * LONG_MS, 3 * ms)


def test_a_fixed_number_of_calls_is_kept():
    plan = plan_turns([1.0, 5.0], num_requests=4, rounds=10, calls=20, budget_s=60, pause_s=PAUSE)
    assert plan == Plan(rounds=10, window=4, repeats=(5, 5))


def test_rounds_are_cut_last_and_never_below_three():
    plan = plan_turns([1000.0], num_requests=4, rounds=10, calls=10, budget_s=45, pause_s=0)
    assert plan.rounds == 3
    plan = plan_turns([10_000.0], num_requests=4, rounds=10, calls=None, budget_s=1, pause_s=0)
    assert plan == Plan(rounds=3, window=1, repeats=(3,))
