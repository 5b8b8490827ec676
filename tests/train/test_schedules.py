from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from burnish.train.schedules import factor

NAMES = st.sampled_from(["constant", "linear", "cosine", "one-cycle"])


@given(name=NAMES, total=st.integers(1, 300), warmup=st.floats(0, 0.99))
def test_rises_to_one_then_never_rises(name, total, warmup):
    values = [factor(name, step, total=total, warmup=warmup) for step in range(total)]
    assert all(0 < value <= 1 for value in values)
    peak = round(warmup * total)
    assert values[:peak] == sorted(values[:peak])
    assert values[peak:] == sorted(values[peak:], reverse=True)
    if peak < total:
        assert values[peak] == 1.0


def test_known_values():
    assert factor("linear", 5, total=10) == 0.5
    assert round(factor("cosine", 5, total=10), 12) == 0.5
    assert factor("constant", 9, total=10) == 1.0
    assert factor("linear", 0, total=10, warmup=0.1) == 0.5
    assert 0.04 < factor("one-cycle", 0, total=100, warmup=0.3) < 0.06
    assert factor("one-cycle", 99, total=100, warmup=0.3) < 0.001


@given(total=st.integers(1, 300), warmup=st.floats(0, 0.9), cycle=st.integers(0, 100), growth=st.integers(1, 3))
def test_cosines_that_start_anew(total, warmup, cycle, growth):
    """Each cycle begins at 1 and never rises; the cycles grow as they were told to."""
    options = {"total": total, "warmup": warmup, "cycle": cycle, "growth": growth}
    values = [factor("cosine-restarts", step, **options) for step in range(total)]
    peak = round(warmup * total)
    assert all(0 < value <= 1 for value in values)
    after = values[peak:]
    starts = [index for index, value in enumerate(after) if value == 1.0]
    expected, length = [0] if after else [], cycle or total - peak
    while expected and expected[-1] + length < len(after):
        expected.append(expected[-1] + length)
        length *= growth
    assert starts == expected
    for first, end in pairwise([*starts, len(after)] if starts else []):
        assert after[first:end] == sorted(after[first:end], reverse=True)


def test_one_cosine_without_a_cycle_is_the_cosine():
    for step in range(10):
        assert factor("cosine-restarts", step, total=10) == factor("cosine", step, total=10)
