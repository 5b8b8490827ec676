from __future__ import annotations

import numpy as np
from _lib.choosing.curriculum import interval
from _lib.choosing.shift import by_chance


def drawn(rng: np.random.Generator, seeds: int, rows: int, of_seed: float, of_row: float) -> list[np.ndarray]:
    """Differences with mean 0: what a seed shifts, what a row shifts, and the rest."""
    each = rng.normal(0, of_seed, (seeds, 1)) + rng.normal(0, of_row, (1, rows)) + rng.normal(0, 0.3, (seeds, rows))
    return list(each)


def test_the_interval_holds_the_truth_where_seeds_differ_more_than_rows_tell():
    rng = np.random.default_rng(0)
    found = [interval(drawn(rng, 8, 500, of_seed=0.05, of_row=0.3)) for _ in range(300)]
    assert np.mean([low <= 0 <= high for _, low, high in found]) > 0.88
    rows_alone = [interval([np.mean(drawn(rng, 8, 500, of_seed=0.05, of_row=0.3), axis=0)]) for _ in range(300)]
    assert np.mean([low <= 0 <= high for _, low, high in rows_alone]) < 0.85


def test_without_a_difference_of_seeds_it_is_the_one_over_rows():
    rows = np.random.default_rng(1).normal(0.1, 1, 400)
    one, three = interval([rows]), interval([rows] * 3)
    assert np.allclose(one, three)
    assert np.isclose(one[2] - one[1], 2 * 1.96 * rows.std(ddof=1) / 20)


def test_as_many_misses_as_happen_by_chance():
    assert [by_chance(draws) for draws in (1, 3, 18, 60)] == [0, 0, 1, 2]
    assert by_chance(18, rate=0.0) == 0
