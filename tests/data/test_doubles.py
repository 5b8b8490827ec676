"""Rows with the same bytes are found among all rows, with their partners."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from burnish.data import doubles
from burnish.data.doubles import find_doubles, find_shared, row_hashes
from burnish.data.split import Split


def split(*columns: np.ndarray) -> Split:
    named = {f"c{place}": column for place, column in enumerate(columns)}
    return Split(inputs=named, targets=np.arange(len(columns[0])))


def small(dtype: type) -> st.SearchStrategy[np.ndarray]:
    """Few values, so that rows meet."""
    values = st.sampled_from([dtype(0), dtype(1), dtype(3)])
    return st.tuples(st.integers(1, 40), st.integers(1, 3)).flatmap(
        lambda shape: hnp.arrays(dtype, shape, elements=values)
    )


def places(rows: list[bytes], among: list[bytes]) -> list[int]:
    return [among.index(row) if row in among else -1 for row in rows]


@given(table=st.sampled_from([np.float32, np.int64, np.uint8, np.bool_]).flatmap(small))
def test_doubles_are_those_that_comparing_all_pairs_finds(table: np.ndarray) -> None:
    rows = [row.tobytes() for row in table]
    first = places(rows, rows)
    (found,) = find_doubles(split(table))
    expected = [(row, partner) for row, partner in enumerate(first) if row != partner]
    assert list(zip(found.rows.tolist(), found.partners.tolist(), strict=True)) == expected
    assert (found.compared, found.total) == (len(rows), len(rows))


@given(table=small(np.float32), cuts=st.tuples(st.integers(0, 40), st.integers(0, 40)))
def test_each_two_splits_are_compared(table: np.ndarray, cuts: tuple[int, int]) -> None:
    parts = np.split(table, sorted(min(cut, len(table)) for cut in cuts))
    named = dict(zip(("train", "validation", "test"), parts, strict=True))
    whole = {name: [row.tobytes() for row in part] for name, part in named.items()}
    found = find_doubles(*map(split, parts[:1]), **{name: split(part) for name, part in list(named.items())[1:]})
    names = [("train", "train"), ("train", "validation"), ("train", "test"), ("validation", "test")]
    assert [doubles.names for doubles in found] == names
    for pair in found[1:]:
        expected = places(whole[pair.names[1]], whole[pair.names[0]])
        assert pair.rows.tolist() == [row for row, partner in enumerate(expected) if partner >= 0]
        assert pair.partners.tolist() == [partner for partner in expected if partner >= 0]


def test_all_of_a_thousand_doubles_are_found_in_twenty_thousand_rows() -> None:
    table = np.random.default_rng(0).normal(size=(20_000, 6)).astype(np.float32)
    table[19_000:] = table[:1_000]
    (found,) = find_doubles(split(table))
    assert found.rows.tolist() == list(range(19_000, 20_000)) and found.partners.tolist() == list(range(1_000))
    assert found.line == "1,000 of 20,000 train rows (5 %) are there twice: row 19000 is row 0"


@pytest.mark.parametrize(
    "values", [(0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 1e300, -1e300), tuple(range(8)), tuple(2.0**k for k in range(8))]
)
def test_rows_that_are_alike_have_hashes_of_their_own(values: tuple[float, ...]) -> None:
    table = np.array(list(itertools.product(values, repeat=5)))
    assert len(np.unique(row_hashes(split(table)))) == len(table)


def test_bytes_decide_over_all_inputs_and_not_their_layout() -> None:
    rng = np.random.default_rng(0)
    image, mark, number = rng.integers(0, 9, (300, 3, 5, 7), np.uint8), rng.random(300) < 0.5, rng.normal(size=300)
    wanted = row_hashes(split(image, mark, number))
    fortran = np.asfortranarray(image)
    assert np.array_equal(row_hashes(split(fortran, mark, number)), wanted)
    assert (row_hashes(split(image, ~mark, number)) != wanted).all()
    assert np.array_equal(row_hashes(split(image, mark, number).take(slice(7, 9))), wanted[7:9])


def test_of_many_bytes_the_first_rows_are_compared_and_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doubles, "MOST_BYTES", 100 * 512)
    table = np.repeat(np.arange(150), 2)[:, None] * np.ones(64)
    (found,) = find_doubles(split(table))
    assert (found.compared, found.total, len(found.rows)) == (100, 300, 50)
    assert "50 of the first 100 (of 300) train rows" in found.line
    shared = find_shared(split(table), split(table[:10]), ("train", "test"))
    assert "10 of 10 test rows (100 %) are also train rows among the first 100 (of 300)" in shared.line


def test_splits_without_rows_share_none() -> None:
    table = np.ones((4, 2))
    assert not len(find_shared(split(table[:0]), split(table), ("train", "test")).rows)
    assert not len(find_shared(split(table), split(table[:0]), ("train", "test")).rows)
