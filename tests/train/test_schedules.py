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
