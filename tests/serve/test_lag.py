from __future__ import annotations

from burnish.serve.lag import Lag


def test_nothing_is_reserved_before_enough_was_seen():
    lag = Lag()
    for _ in range(31):
        lag.add(0.01)
    assert lag.reserve(1.0) == 0.0


def test_the_tail_is_reserved_and_never_more_than_a_quarter():
    lag = Lag()
    for number in range(320):
        lag.add(0.002 if number % 10 else 0.008)
    assert lag.reserve(1.0) == 0.008
    assert lag.reserve(0.02) == 0.005
    for _ in range(256):
        lag.add(0.001)
    assert lag.reserve(1.0) == 0.001
