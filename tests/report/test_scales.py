import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.report.scales import Scale, linear_ticks, log_ticks


def test_positions_run_from_start_to_end_and_stop_at_the_edges():
    scale = Scale(0, 10, 100, 200)
    assert [scale(x) for x in (-5, 0, 5, 10, 99)] == [100, 100, 150, 200, 200]


def test_a_logarithmic_scale_puts_the_geometric_mean_in_the_middle():
    assert Scale(1, 100, 0, 300, log=True)(10) == pytest.approx(150)


def test_ticks_are_round_numbers():
    assert linear_ticks(0.753, 0.777, 5) == (0.755, 0.76, 0.765, 0.77, 0.775)
    assert log_ticks(3.5, 60, 5) == (5, 10, 20, 50)
    assert linear_ticks(2, 2) == (2,)


@given(st.floats(1e-3, 1e5), st.floats(1.01, 1e4), st.integers(3, 9))
def test_ticks_lie_within_the_scale_and_ascend(low: float, factor: float, about: int):
    for ticks in (linear_ticks(low, low * factor, about), log_ticks(low, low * factor, about)):
        assert list(ticks) == sorted(set(ticks))
        assert all(low * 0.998 <= tick <= low * factor * 1.002 for tick in ticks)
        assert len(ticks) <= 2 * about + 3
