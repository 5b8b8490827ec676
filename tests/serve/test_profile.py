from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.profile import Observed, Profile, tail

times = st.floats(1e-4, 5.0)


def test_an_unknown_profile_predicts_nothing_and_never_raises():
    assert Profile(8).of("a").tail(4) == 0.0


def test_between_two_sizes_times_are_interpolated_and_beyond_drawn_on():
    profile = Profile(16)
    profile.observe("a", 2, 1.0)
    profile.observe("a", 4, 2.0)
    assert [profile.of("a").tail(rows) for rows in (1, 2, 3, 4, 6)] == [1.0, 1.0, 1.5, 2.0, 3.0]


def test_one_size_scales_in_proportion_and_an_unknown_bucket_borrows_the_slowest():
    profile = Profile(8)
    profile.observe("a", 1, 0.5)
    profile.observe("b", 1, 0.7)
    assert profile.of("a").tail(4) == 2.0
    assert profile.of("c").tail(1) == 0.7


@given(st.lists(st.tuples(st.integers(1, 12), times), min_size=1, max_size=40))
def test_more_rows_never_count_as_faster(found):
    profile = Profile(12)
    for rows, seconds in found:
        profile.observe("a", rows, seconds)
    table = [profile.of("a").tail(rows) for rows in range(1, 13)]
    assert table == sorted(table) and table[0] > 0


def test_one_slow_moment_at_a_rare_size_does_not_spoil_the_others():
    profile = Profile(8)
    for rows in (1, 2, 4, 8):
        for _ in range(20):
            profile.observe("a", rows, 0.01 + 0.001 * rows)
    profile.observe("a", 3, 5.0)
    curve = profile.of("a")
    assert curve.tail(8) == pytest.approx(curve.likely(8))
    assert curve.likely(8) < 0.5
    assert curve.likely(2) == pytest.approx(0.012)


def test_the_tail_and_the_chance_are_shared_by_all_sizes():
    profile = Profile(4)
    for _ in range(10):
        for factor in (1.0, 1.0, 1.0, 1.0, 2.0):
            profile.observe("a", 1, factor)
        profile.observe("a", 4, 3.0)
    curve = profile.of("a")
    assert curve.likely(4) == 3.0
    assert curve.tail(4) == 6.0
    assert curve.chance(4, 2.9) == 0.0
    assert curve.chance(4, 3.0) == pytest.approx(50 / 60)
    assert curve.chance(4, 6.0) == 1.0


@given(st.lists(times, min_size=1, max_size=60), st.floats(0.05, 1.0))
def test_the_tail_covers_its_share(found, quantile):
    limit = tail(found, quantile)
    assert sum(seconds <= limit for seconds in found) >= quantile * len(found) - 1e-9
    assert limit in found


def test_old_times_are_forgotten():
    profile = Profile(4)
    profile.observe("a", 1, 100.0)
    for _ in range(64):
        profile.observe("a", 1, 1.0)
    assert profile.of("a").tail(1) == 1.0


def test_what_was_learned_is_written_down_and_taken_up():
    profile = Profile(8)
    for seconds in (0.1, 0.2, 0.3):
        profile.observe(("x", (3,)), 2, seconds)
    text = [item.to_json() for item in profile.observed()]
    other = Profile(8)
    other.restore([Observed.from_json(item) for item in text])
    assert other.observed() == profile.observed()
    assert other.of(("x", (3,))).tail(2) == profile.of(("x", (3,))).tail(2) == 0.3
    assert other.observed() == profile.observed()


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1.0])
def test_a_time_that_is_no_time_is_an_error(seconds):
    with pytest.raises(ValueError, match="not a measurement"):
        Profile(4).observe("a", 1, seconds)


def test_buckets_that_nobody_uses_are_forgotten_first():
    profile = Profile(2)
    for number in range(400):
        profile.observe(number, 1, 1.0)
        profile.observe("kept", 1, 0.5)
    assert profile.of("kept").tail(1) == 0.5
    assert len(profile.observed()) <= 256


def test_what_is_forgotten_is_learned_anew():
    profile = Profile(4)
    profile.observe("a", 1, 9.0)
    profile.forget("a")
    assert not profile.knows("a")
    profile.observe("a", 1, 0.5)
    assert profile.of("a").likely(1) == 0.5
