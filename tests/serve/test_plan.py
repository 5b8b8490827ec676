from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.ask import Ask
from burnish.serve.plan import Coming, Queue, best_rows, choose, hopeless

deadlines = st.lists(st.floats(0.0, 10.0), min_size=0, max_size=20).map(sorted)
costs = st.tuples(st.floats(0.01, 3.0), st.floats(0.0, 0.5))


def asks(found: list[float], rows: int = 1) -> list[Ask]:
    return [Ask(id=i, bucket="a", arrived=0.0, deadline=deadline, rows=rows) for i, deadline in enumerate(found)]


class Line:
    """A device on which a batch takes `ratio` times as long in one case of ten."""

    def __init__(self, cost: tuple[float, float], ratio: float = 1.0) -> None:
        self.cost, self.ratio = cost, ratio

    def likely(self, rows: int) -> float:
        return self.cost[0] + self.cost[1] * (rows - 1)

    def tail(self, rows: int) -> float:
        return self.ratio * self.likely(rows)

    def chance(self, rows: int, seconds: float) -> float:
        return 0.0 if seconds < self.likely(rows) else 0.9 if seconds < self.tail(rows) else 1.0


@given(found=deadlines, cost=costs, most=st.integers(1, 8))
def test_a_batch_is_the_largest_that_can_be_answered_in_time(found, cost, most):
    times = Line(cost)
    batch = choose(Queue.of(asks(found)), 0.0, times, most)
    able = [n for n in range(1, most + 1) if sum(d >= times.likely(n) for d in found) >= n]
    assert len(batch) == max(able, default=0)
    assert all(ask.deadline >= times.likely(len(batch)) for ask in batch)


@given(found=deadlines, cost=costs, most=st.integers(1, 8))
def test_the_hopeless_cannot_be_answered_in_time_and_the_others_have_a_batch(found, cost, most):
    times = Line(cost)
    everyone = asks(found)
    doomed = {ask.id for ask in hopeless(everyone, 0.0, times, most, Coming(0.0, 1e9, 1.0))}
    left = [ask for ask in everyone if ask.id not in doomed]
    start, served, batches = 0.0, 0, 0
    while left:
        batch = choose(Queue.of(left), start, times, most)
        if not batch:
            assert batches >= 8, "someone who was told to wait is never served"
            break
        batches += 1
        start += times.likely(len(batch))
        assert all(ask.deadline >= start for ask in batch)
        served += len(batch)
        left = [ask for ask in left if ask not in batch]
        assert start < 200
    assert served + len(doomed) + len(left) == len(everyone)


def test_the_oldest_give_way_when_they_would_keep_the_batch_small():
    times = Line((1.0, 0.1))
    waiting = asks([1.05, 1.6, 1.6, 1.6, 1.6, 1.6])
    batch = choose(Queue.of(waiting), 0.0, times, 8)
    assert [ask.id for ask in batch] == [1, 2, 3, 4, 5]


def test_an_important_request_goes_first_until_another_has_waited_long_enough():
    times = Line((0.1, 0.0))
    early = Ask(id=0, bucket="a", arrived=0.0, deadline=5.0, level=2)
    late = Ask(id=1, bucket="a", arrived=0.0, deadline=6.5, level=0)
    assert choose(Queue.of([early, late]), 0.0, times, 1) == [late]
    later = Ask(id=2, bucket="a", arrived=1.0, deadline=7.5, level=0)
    assert choose(Queue.of([early, later]), 1.0, times, 1) == [early]


def test_rows_fill_a_batch_and_what_does_not_fit_stays():
    waiting = [*asks([9.0, 9.0], rows=3), Ask(id=5, bucket="a", arrived=0.0, deadline=9.5, rows=1)]
    batch = choose(Queue.of(waiting), 0.0, Line((0.1, 0.1)), 4)
    assert [ask.id for ask in batch] == [0, 5]


def test_expected_arrivals_make_the_next_batch_larger():
    queue = Queue.of(asks([3.0, 4.0]))
    times = Line((1.0, 0.25))
    assert best_rows(queue, 2.0, times, 8) == 1
    assert best_rows(queue, 2.0, times, 8, Coming(now=0.0, rate=8.0, patience=10.0)) == 8
    assert best_rows(queue, 2.0, times, 8, Coming(now=0.0, rate=8.0, patience=1.0)) == 1, "who comes has no time either"


def test_fewer_are_counted_on_than_expected():
    coming = Coming(now=0.0, rate=4.0, patience=10.0)
    assert coming.rows(4.0, 5.0) == 16 - 1.5 * 4
    assert coming.rows(4.0, 13.0) == 4 - 1.5 * 2, "those that come before 3.0 have no deadline behind 13.0"
    assert coming.rows(0.1, 1.0) == 0.0


def test_who_will_stand_in_the_way_of_a_larger_batch_is_told_before_it_begins():
    times, waiting = Line((1.0, 0.1)), asks([3.15, 4.5, 4.6])
    assert hopeless(waiting, 2.0, times, 16, Coming(now=1.0, rate=0.5, patience=3.0)) == []
    doomed = hopeless(waiting, 2.0, times, 16, Coming(now=1.0, rate=40.0, patience=3.0))
    assert [ask.id for ask in doomed] == [0]


def test_those_who_may_be_late_come_last_but_are_not_left_out():
    times = Line((1.0, 0.1), ratio=2.0)
    risky, safe = asks([1.5])[0], [Ask(id=n, bucket="a", arrived=0.0, deadline=9.0) for n in (1, 2)]
    assert [ask.id for ask in choose(Queue.of([risky, *safe]), 0.0, times, 8)] == [1, 2, 0]
    assert [ask.id for ask in choose(Queue.of([risky, *safe]), 0.0, times, 2)] == [1, 2]
    assert choose(Queue.of([risky]), 0.0, times, 8) == [risky]
    assert hopeless([risky], 0.0, times, 8, Coming(0.0, 1e9, 1.0)) == []
