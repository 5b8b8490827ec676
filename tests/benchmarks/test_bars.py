from __future__ import annotations

import pytest
from _lib.bars import Bar, best_peer, eager_base, fastest, in_budget, ours_at, points_bar, speed_bar
from _lib.candidate import Candidate
from hypothesis import given
from hypothesis import strategies as st

from burnish.core.measurement import LatencyProfile, Measurement

SHAPE = "batch 1"


def measurement(value: float, low: float | None = None, high: float | None = None) -> Measurement:
    return Measurement(
        name="m",
        value=value,
        unit="ms",
        low=value if low is None else low,
        high=value if high is None else high,
        n=3,
        protocol="made up",
        machine="none",
    )


def profile(ms: float, rounds: tuple[float, ...] | None = None, shape: str = SHAPE) -> LatencyProfile:
    one = measurement(ms)
    return LatencyProfile(
        label="x", served=shape, p50=one, p95=one, p99=one, rounds_ms=rounds or (ms, ms, ms), peak_memory_bytes=1
    )


def candidate(label: str, ms: float, *, kind: str = "peer", validation: float = 0.9, int8: bool = False) -> Candidate:
    made = Candidate(label=label, family=label, kind=kind, int8=int8, validation=validation)
    made.latency[SHAPE] = profile(ms)
    return made


def test_the_best_peer_is_the_fastest_inside_the_budget() -> None:
    peers = [candidate("slow", 5), candidate("fast", 2), candidate("wrong", 1, validation=0.88)]
    best = best_peer(peers, SHAPE, 0.9, 0.01)
    assert best is not None
    assert best.label == "fast"


def test_a_loss_of_exactly_the_budget_is_inside() -> None:
    peers = [candidate("edge", 1, validation=0.90 - 0.01)]
    assert in_budget(peers, 0.90, 0.01) == peers


def test_only_peers_can_be_the_best_peer() -> None:
    found = [candidate("base", 1, kind="base"), candidate("ours", 1, kind="ours"), candidate("peer", 9)]
    best = best_peer(found, SHAPE, 0.9, 0.01)
    assert best is not None
    assert best.label == "peer"


def test_the_best_int8_peer_is_chosen_among_int8_ones() -> None:
    found = [candidate("bf16", 1), candidate("int8", 2, int8=True)]
    best = best_peer(found, SHAPE, 0.9, 0.01, int8=True)
    assert best is not None
    assert best.label == "int8"


def test_failed_and_untimed_candidates_are_left_out() -> None:
    failed = candidate("failed", 1)
    failed.error = "no"
    assert fastest([failed], SHAPE) is None
    assert fastest([candidate("elsewhere", 1)], "batch 32") is None


def test_the_eager_baseline_is_the_fastest_fp32_form() -> None:
    found = [candidate("as built", 4, kind="base"), candidate("channels last", 3, kind="eager-fp32")]
    found.append(candidate("bf16", 1))
    best = eager_base(found, SHAPE)
    assert best is not None
    assert best.label == "channels last"


def test_the_program_made_for_a_shape_stands_for_us_there() -> None:
    artifact, special = candidate("artifact", 1, kind="ours"), candidate("special", 2, kind="ours")
    special.only = SHAPE
    assert ours_at([artifact, special], SHAPE) is special
    special.only, special.latency = "batch 32", {"batch 32": profile(1, shape="batch 32")}
    assert ours_at([artifact, special], SHAPE) is artifact


def test_a_speed_bar_is_the_median_of_the_rounds_ratios() -> None:
    ours, peer = candidate("ours", 1, kind="ours"), candidate("peer", 2)
    ours.latency[SHAPE] = profile(1, (1.0, 1.0, 2.0))
    peer.latency[SHAPE] = profile(2, (2.0, 3.0, 5.0))
    bar = speed_bar("x", ours, peer, SHAPE, 2.5)
    assert bar.value == pytest.approx(2.5)
    assert (bar.low, bar.high) == pytest.approx((2.25, 2.75))
    assert bar.holds
    assert not speed_bar("x", ours, peer, SHAPE, 2.6).holds


def test_a_bar_without_a_measurement_does_not_hold() -> None:
    assert not speed_bar("x", None, candidate("peer", 1), SHAPE, 0.0).holds
    assert not points_bar("x", candidate("ours", 1), -1.0).holds


def test_a_points_bar_is_in_points_with_the_paired_interval() -> None:
    ours = candidate("ours", 1, kind="ours")
    ours.test_delta = measurement(-0.008, -0.015, 0.001)
    bar = points_bar("x", ours, -1.0)
    assert bar.holds
    assert bar.to_dict()["spread"] == [-1.5, 0.1]
    assert not points_bar("x", ours, -0.5).holds


def test_an_upper_bar_holds_below_it() -> None:
    assert Bar(name="overhead", value=4.0, unit="%", bar=5.0, least=False).holds
    assert not Bar(name="overhead", value=6.0, unit="%", bar=5.0, least=False).holds


def test_the_printed_form_has_the_projects_fields() -> None:
    told = Bar(name="a", value=1.23456, unit="x", bar=2.0, low=1.0, high=1.5).to_dict()
    assert told == {"name": "a", "value": 1.2346, "unit": "x", "spread": [1.0, 1.5], "bar": ">= 2", "holds": False}


@given(
    st.lists(st.tuples(st.floats(0.1, 100), st.floats(0.5, 1.0), st.booleans()), min_size=1, max_size=8),
    st.floats(0.5, 1.0),
)
def test_no_peer_inside_the_budget_is_faster_than_the_best(rows: list[tuple[float, float, bool]], base: float) -> None:
    peers = [candidate(str(i), ms, validation=v, int8=q) for i, (ms, v, q) in enumerate(rows)]
    best = best_peer(peers, SHAPE, base, 0.01)
    inside = [peer for peer in peers if peer.validation is not None and peer.validation >= base - 0.01 - 1e-9]
    assert (best is None) == (not inside)
    if best is not None:
        assert all(best.latency[SHAPE].p50.value <= peer.latency[SHAPE].p50.value for peer in inside)
