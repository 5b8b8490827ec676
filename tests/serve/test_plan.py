from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.ask import Ask
from burnish.serve.plan import Queue, best_rows, choose, hopeless

deadlines = st.lists(st.floats(0.0, 10.0), min_size=0, max_size=20).map(sorted)
costs = st.tuples(st.floats(0.01, 3.0), st.floats(0.0, 0.5))


def asks(found: list[float], rows: int = 1) -> list[Ask]:
    return [Ask(id=i, bucket="a", arrived=0.0, deadline=deadline, rows=rows) for i, deadline in enumerate(found)]


def line(cost: tuple[float, float]):
    return lambda rows: cost[0] + cost[1] * (rows - 1) if rows else 0.0


@given(found=deadlines, cost=costs, most=st.integers(1, 8))
def test_a_batch_is_the_largest_that_can_be_answered_in_time(found, cost, most):
    seconds = line(cost)
    batch = choose(Queue.of(asks(found)), 0.0, seconds, most)
    able = [n for n in range(1, most + 1) if sum(d >= seconds(n) for d in found) >= n]
    assert len(batch) == max(able, default=0)
    assert all(ask.deadline >= seconds(len(batch)) for ask in batch)


@given(found=deadlines, cost=costs, most=st.integers(1, 8))
def test_the_hopeless_cannot_be_answered_in_time_and_the_others_have_a_batch(found, cost, most):
    seconds = line(cost)
    everyone = asks(found)
    doomed = {ask.id for ask in hopeless(everyone, 0.0, seconds, most, rate=1e9)}
    left = [ask for ask in everyone if ask.id not in doomed]
    start, served = 0.0, 0
    while left:
        batch = choose(Queue.of(left), start, seconds, most)
        assert batch, "someone who was told to wait is never served"
        start += seconds(len(batch))
        assert all(ask.deadline >= start for ask in batch)
        served += len(batch)
        left = [ask for ask in left if ask not in batch]
        assert start < 200
    assert served + len(doomed) == len(everyone)


def test_the_oldest_give_way_when_they_would_keep_the_batch_small():
    seconds = line((1.0, 0.1))
    waiting = asks([1.05, 1.6, 1.6, 1.6, 1.6, 1.6])
    batch = choose(Queue.of(waiting), 0.0, seconds, 8)
    assert [ask.id for ask in batch] == [1, 2, 3, 4, 5]


def test_an_important_request_goes_first_until_another_has_waited_long_enough():
    seconds = line((0.1, 0.0))
    early = Ask(id=0, bucket="a", arrived=0.0, deadline=5.0, level=2)
    late = Ask(id=1, bucket="a", arrived=0.0, deadline=6.5, level=0)
    assert choose(Queue.of([early, late]), 0.0, seconds, 1) == [late]
    later = Ask(id=2, bucket="a", arrived=1.0, deadline=7.5, level=0)
    assert choose(Queue.of([early, later]), 1.0, seconds, 1) == [early]


def test_rows_fill_a_batch_and_what_does_not_fit_stays():
    waiting = [*asks([9.0, 9.0], rows=3), Ask(id=5, bucket="a", arrived=0.0, deadline=9.5, rows=1)]
    batch = choose(Queue.of(waiting), 0.0, line((0.1, 0.1)), 4)
    assert [ask.id for ask in batch] == [0, 5]


def test_expected_arrivals_make_the_next_batch_larger():
    queue = Queue.of(asks([1.0, 2.0]))
    seconds = line((1.0, 0.25))
    assert best_rows(queue, 0.0, seconds, 8) == 1
    assert best_rows(queue, 0.0, seconds, 8, coming=3.0) == 4
