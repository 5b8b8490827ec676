from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.cores import Cores


def test_two_workers_of_one_thread_get_a_core_each_and_the_third_shares():
    cores = Cores([4, 5])
    assert (cores.take(1), cores.take(1)) == ((4,), (5,))
    assert not cores.crowded
    assert cores.take(1) == (4,)
    assert cores.crowded


def test_what_is_given_back_is_used_first():
    cores = Cores([0, 1, 2])
    first, _second = cores.take(2), cores.take(1)
    cores.give_back(first)
    assert cores.take(2) == first


@given(st.integers(1, 16), st.lists(st.integers(1, 20), max_size=30))
def test_loads_never_differ_by_more_than_one(count, wanted):
    cores = Cores(range(count))
    given_out = [cores.take(threads) for threads in wanted]
    loads = [sum(core in taken for taken in given_out) for core in range(count)]
    assert max(loads) - min(loads) <= 1
    assert all(len(set(taken)) == min(threads, count) for taken, threads in zip(given_out, wanted, strict=True))
    for taken in given_out:
        cores.give_back(taken)
    assert not cores.crowded
