from __future__ import annotations

from _lib.timing import pooled

from tests.benchmarks.test_bars import profile


def test_one_comparison_is_kept_as_it_is() -> None:
    assert pooled([profile(1.0)]) == profile(1.0)


def test_rounds_of_several_comparisons_are_pooled() -> None:
    busy = profile(1.0).model_copy(update={"other_cores": 0.5})
    merged = pooled([profile(3.0), busy, profile(2.0)])
    assert merged.other_cores == 0.5
    assert merged.rounds_ms == (3.0,) * 3 + (1.0,) * 3 + (2.0,) * 3
    assert merged.p50.value == 2.0
    assert (merged.p50.low, merged.p50.high) == (1.0, 3.0)
    assert merged.p50.n == 9
