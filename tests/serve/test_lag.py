from __future__ import annotations

import pytest

from burnish.serve.lag import Lag


def filled(*seconds: float) -> Lag:
    lag = Lag()
    for second in seconds:
        lag.add(second)
    return lag


def test_only_the_way_is_reserved_before_enough_was_seen():
    assert filled(*[0.01] * 31).reserve(0.1) == pytest.approx(0.002)


def test_the_tail_is_reserved_and_never_more_than_a_quarter():
    lag = filled(*(0.002 if number % 10 else 0.008 for number in range(320)))
    assert lag.reserve(0.5) == pytest.approx(0.008 + 0.01)
    assert lag.reserve(0.02) == 0.005
    for _ in range(256):
        lag.add(0.001)
    assert lag.reserve(0.5) == pytest.approx(0.001 + 0.01)


def test_a_patient_client_has_no_longer_way():
    assert filled().reserve(30.0) == filled().reserve(1.0) == pytest.approx(0.01)
