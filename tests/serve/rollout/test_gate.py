from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.rollout.gate import Arm, Gate, Verdict
from burnish.serve.rollout.settings import GateLimits

LIMITS = GateLimits(errors=0.02, late=0.1, disagreement=0.05, slow_ms=20.0, min_requests=100)


def history(gate, rng, *, errors=(0.01, 0.01), slower=1.0, differing=0.01, weight=0.5, requests=6000, every=250):
    """Requests one after the other, one a second; a look every so often. The verdict, and after how many requests."""
    for number in range(requests):
        arm = Arm.CANDIDATE if rng.random() < weight else Arm.STABLE
        mine = arm is Arm.CANDIDATE
        seconds = 0.01 * rng.lognormal(0.0, 0.4) * (slower if mine else 1.0)
        gate.answered(arm, seconds, failed=rng.random() < errors[mine])
        gate.compared(float(rng.random() < differing))
        if number % every == every - 1 and (found := gate.look(float(number))) is not None:
            return found[0], number + 1
    return None, requests


def verdicts(count, limits=LIMITS, **how):
    return [history(Gate(limits, began=0.0), np.random.default_rng(seed), **how)[0] for seed in range(count)]


def test_without_a_difference_it_is_promoted_and_all_but_never_rolled_back():
    found = verdicts(40)
    assert found.count(Verdict.ROLL_BACK) <= 40 * LIMITS.alpha
    assert found.count(Verdict.PROMOTE) >= 0.9 * 40


@pytest.mark.parametrize(
    "how", [{"errors": (0.01, 0.03)}, {"differing": 0.05}], ids=["errors at the limit", "answers at the limit"]
)
def test_what_lies_on_a_limit_is_promoted_no_more_often_than_said(how):
    found = verdicts(40, **how)
    assert found.count(Verdict.PROMOTE) <= 40 * LIMITS.alpha
    assert found.count(Verdict.ROLL_BACK) <= 40 * LIMITS.alpha


@pytest.mark.parametrize(
    "how",
    [{"errors": (0.01, 0.2)}, {"slower": 2.0}, {"differing": 0.3}],
    ids=["it fails", "it is slow", "it answers otherwise"],
)
def test_a_real_difference_is_found_soon(how):
    for seed in range(20):
        found, requests = history(Gate(LIMITS, began=0.0), np.random.default_rng(seed), **how)
        assert found is Verdict.ROLL_BACK
        assert requests <= 1500


def test_where_slow_begins_is_learned_from_the_stable_version():
    limits = GateLimits(errors=None, disagreement=None, late=0.05, min_requests=200)
    gate = Gate(limits, began=0.0)
    found, _ = history(gate, np.random.default_rng(0), slower=1.6)
    assert gate.slow_s == pytest.approx(0.01 * np.exp(0.4 * 1.645), rel=0.2)
    assert found is Verdict.ROLL_BACK


def test_a_refusal_counts_as_late_and_not_as_an_error():
    gate = Gate(LIMITS, began=0.0)
    gate.answered(Arm.CANDIDATE, float("inf"))
    shares = {measured.name: measured.share["candidate"] for measured in gate.measured()}
    assert shares == {"errors": 0.0, "late": 1.0, "disagreement": 0.0}


def test_what_nobody_can_decide_ends_with_the_time():
    gate = Gate(LIMITS, began=50.0)
    seconds = 60 * LIMITS.max_minutes
    assert gate.look(50.0 + seconds - 1) is None
    found = gate.look(50.0 + seconds)
    assert found is not None and found[0] is Verdict.ROLL_BACK and "undecided" in found[1]


@given(st.lists(st.tuples(st.sampled_from(Arm), st.floats(0, 1), st.booleans()), max_size=90))
def test_nothing_is_promoted_before_both_have_had_enough_requests(seen):
    gate = Gate(LIMITS, began=0.0)
    for arm, seconds, failed in seen:
        gate.answered(arm, seconds, failed=failed)
        gate.compared(0.0)
    found = gate.look(1.0)
    assert found is None or found[0] is Verdict.ROLL_BACK
    assert all(measured.lower <= measured.upper for measured in gate.measured())
