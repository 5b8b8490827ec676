import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.measure.groups import at_once, compare_groups
from tests.pipeline.fake import profile


@given(size=st.integers(0, 10**11), available=st.integers(0, 10**12))
def test_what_is_alive_takes_half_of_the_memory_or_is_a_pair(size, available):
    count = at_once(size, available)
    assert 2 <= count <= 16
    assert count == 2 or count * (3e8 + 4 * size) <= available / 2


@given(times=st.lists(st.floats(0.1, 100), min_size=1, max_size=12), size=st.integers(2, 6))
def test_groups_tell_what_one_comparison_would(times, size):
    """The machine is twice as slow in every second group; what is said does not depend on it."""
    groups = []

    def compare(items):
        slow = 1.0 + len(groups) % 2
        groups.append(list(items))
        made = {"a": [profile(str(item), slow * times[item]) for item in items]}
        return made | {"b": [profile(str(item), 10.0 * slow * times[item]) for item in items]}

    found, bigger = compare_groups(range(len(times)), size, compare).values()
    assert [profile.p50.value for profile, _ in bigger] == pytest.approx([10 * ms for ms in times])
    assert [profile.label for profile, _ in found] == [str(item) for item in range(len(times))]
    assert [profile.p50.value for profile, _ in found] == pytest.approx(times)
    assert [profile.rounds_ms[0] for profile, _ in found] == pytest.approx(times)
    assert [speed.value for _, speed in found] == pytest.approx([times[0] / ms for ms in times])
    assert {speed.baseline for _, speed in found} == {"0"}
    assert all(group[0] == 0 and len(group) <= size for group in groups)
