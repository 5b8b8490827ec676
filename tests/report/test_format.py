import math

from hypothesis import given
from hypothesis import strategies as st

from burnish.core.measurement import Measurement, Ratio
from burnish.report import format


def measured(value: float, low: float, high: float, unit: str) -> Measurement:
    return Measurement(name="x", value=value, unit=unit, low=low, high=high, n=1, protocol="", machine="")


def test_numbers_keep_three_digits_and_never_an_exponent():
    assert [format.number(x) for x in (0.04213, 4.214, 42.14, 132.2, 18400, 0, 1e-7)] == [
        "0.0421", "4.21", "42.1", "132", "18400", "0", "0.000000100",
    ]  # fmt: skip
    assert format.number(math.nan) == "not a number"


def test_counts_sizes_and_durations_use_the_unit_a_person_would():
    assert [format.count(x) for x in (874, 22_700, 999_900, 22_700_000, 3.62e9)] == [
        "874", "22.7 k", "1.00 M", "22.7 M", "3.62 G",
    ]  # fmt: skip
    assert [format.size(x) for x in (812, 22_700, 90_868_000)] == ["812 B", "22.7 kB", "90.9 MB"]
    assert [format.duration(x) for x in (0.42, 42, 192, 3840)] == ["0.42 s", "42 s", "3 min 12 s", "1 h 04 min"]


def test_shares_become_percent_and_their_differences_points():
    assert format.quality(measured(0.913, 0.907, 0.919, "share")) == "91.3% [90.7, 91.9]"
    assert format.quality(measured(3.21, 3.1, 3.3, "nats")) == "3.210 [3.100, 3.300]"
    assert format.delta(measured(-0.002, -0.006, 0.002, "share")) == "-0.2 points [-0.6, +0.2]"
    assert format.delta(measured(-0.2, -0.6, 0.2, "points")) == "-0.2 points [-0.6, +0.2]"
    assert format.delta(measured(0.04, -0.02, 0.1, "nats")) == "+0.0400 nats [-0.0200, +0.100]"


def test_a_difference_that_rounds_to_zero_has_no_sign():
    assert format.delta(measured(-0.01, -0.04, 0.04, "points")) == "0.0 points [0.0, 0.0]"


def test_missing_values_are_a_dash():
    assert format.ratio(None) == format.quality(None) == format.delta(None) == "-"
    assert format.typeset("-") == "\u2013"


def test_ratio_shows_its_spread():
    assert format.ratio(Ratio(baseline="b", value=12.34, low=11.9, high=12.8)) == "12.3x [11.9, 12.8]"


def test_typeset_changes_signs_but_not_words():
    assert (
        format.typeset("-0.2 points, 12.3x, a-1 max-autotune 0x12")
        == "\u22120.2 points, 12.3\u00d7, a-1 max-autotune 0x12"
    )


@given(st.floats(min_value=1e-9, max_value=1e12))
def test_number_is_within_half_a_percent(value: float):
    text = format.number(value)
    assert "e" not in text
    assert abs(float(text) - value) <= 0.0051 * value
