import pytest

from burnish.pipeline import spent as module
from burnish.pipeline.spent import Spent


@pytest.fixture
def clock(monkeypatch):
    """Seconds that the test sets."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(module.time, "perf_counter", lambda: Clock.now)
    return Clock


def test_seconds_are_added_up_by_kind(clock) -> None:
    spent = Spent()
    with spent.training:
        clock.now += 3
    with spent.measuring:
        clock.now += 5
    clock.now += 7
    with spent.training:
        clock.now += 11
    assert (spent.training.seconds, spent.measuring.seconds) == (14, 5)


def test_what_fails_has_taken_time_as_well(clock) -> None:
    spent = Spent()
    with pytest.raises(ValueError, match="broken"), spent.measuring:
        clock.now += 2
        raise ValueError("broken")
    assert spent.measuring.seconds == 2
