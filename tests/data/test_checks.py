from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.core.errors import BadData
from burnish.data.checks import check_disjoint, check_split
from burnish.data.split import Split


def split(count=6):
    rng = np.random.default_rng(0)
    return Split(
        inputs={"pixels": rng.normal(size=(count, 2, 3)).astype(np.float32), "age": np.arange(count)},
        targets=np.arange(count) % 3,
    )


def test_good_rows_pass():
    check_split(split(), 3)
    check_split(replace(split(), targets=np.linspace(0, 1, 6)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_names_column_row_and_element(value):
    bad = split()
    bad.inputs["pixels"][4, 1, 2] = value
    with pytest.raises(BadData) as caught:
        check_split(bad, name="train")
    assert "train, column 'pixels', row 4, element (1, 2)" in str(caught.value)
    assert "1 of 6 rows" in str(caught.value)


@pytest.mark.parametrize("label", [-1, 3])
def test_names_the_label_and_its_row(label):
    bad = split()
    bad.targets[2] = label
    with pytest.raises(BadData) as caught:
        check_split(bad, 3)
    assert f"the label {label} is out of range" in str(caught.value)
    assert "row 2" in str(caught.value)
    assert "0 to 2" in str(caught.value)


@pytest.mark.parametrize(
    ("bad", "match"),
    [
        (replace(split(), inputs={}), "no input column"),
        (split().take(slice(0, 0)), "no rows"),
        (replace(split(), inputs={"age": np.arange(5)}), "5 rows, but there are 6 targets"),
        (replace(split(), lengths=np.arange(2)), "2 rows, but"),
        (replace(split(), inputs={"age": np.array(3)}), "no rows at all"),
        (replace(split(), inputs={"who": np.array(["a"] * 6)}), "cannot become a tensor"),
        (replace(split(), targets=np.full(6, np.nan)), "nan in the data"),
    ],
)
def test_other_faults(bad, match):
    with pytest.raises(BadData, match=match):
        check_split(bad)


def test_float_labels_are_refused():
    with pytest.raises(BadData, match="class labels are float64"):
        check_split(replace(split(), targets=np.zeros(6)), 3)


@settings(max_examples=40)
@given(shared=st.integers(0, 5), own=st.integers(1, 5))
def test_counts_rows_in_both_splits(shared, own):
    rows = np.arange(30, dtype=np.float32).reshape(15, 2)
    train = Split(inputs={"x": rows[:8]}, targets=np.zeros(8))
    test = Split(inputs={"x": np.concatenate([rows[:shared], rows[8 : 8 + own]])}, targets=np.ones(shared + own))
    warnings = check_disjoint(train, test)
    assert len(warnings) == (shared > 0)
    if shared:
        assert warnings[0].startswith(f"{shared} of {shared + own} test rows")
