from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.serve.rollout.bounds import Share

values = st.lists(st.floats(0, 1), min_size=1, max_size=200)


@given(values, st.floats(0.001, 0.5))
def test_the_mean_lies_between_its_bounds_and_less_risk_means_wider_ones(found, alpha):
    share = Share()
    for value in found:
        share.add(value)
    assert 0 <= share.lower(alpha) <= share.mean + 1e-9 and share.mean <= share.upper(alpha) + 1e-9 <= 1 + 2e-9
    assert share.lower(alpha / 10) <= share.lower(alpha) and share.upper(alpha) <= share.upper(alpha / 10)


@given(st.integers(1, 500), st.integers(0, 500))
def test_successes_and_failures_are_mirror_images(count, hits):
    hits = min(hits, count)
    one, other = Share(count, hits), Share(count, count - hits)
    assert one.upper(0.05) == pytest.approx(1 - other.lower(0.05), abs=0.02)


def test_nothing_is_known_before_the_first_value():
    assert (Share().lower(0.05), Share().upper(0.05)) == (0.0, 1.0)


def test_more_values_bring_the_bounds_together():
    widths = [Share(n, 0.1 * n).upper(0.05) - Share(n, 0.1 * n).lower(0.05) for n in (100, 1000, 10_000, 100_000)]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] < 0.25 and widths[-1] < 0.01


@pytest.mark.parametrize(
    "truth", [np.full(3000, 0.02), np.full(3000, 0.5), np.linspace(0.0, 0.3, 3000)], ids=["rare", "even", "drifting"]
)
def test_all_looks_together_are_wrong_as_rarely_as_said(truth):
    """300 histories of 3000 requests, 40 looks each: the running mean leaves its bounds in few."""
    rng, alpha, wrong = np.random.default_rng(0), 0.1, 0
    running = truth.cumsum() / np.arange(1, len(truth) + 1)
    looks = np.unique(np.geomspace(5, len(truth), 40).astype(int))
    for _ in range(300):
        sums = (rng.random(len(truth)) < truth).cumsum()
        wrong += any(Share(int(n), float(sums[n - 1])).upper(alpha) < running[n - 1] for n in looks)
    assert wrong / 300 <= alpha
