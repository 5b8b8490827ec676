from hypothesis import given, settings
from hypothesis import strategies as st

from burnish.report.labels import Box, Wanted, place

BOUNDS = Box(0, 0, 400, 300)
wanted = st.lists(
    st.builds(Wanted, st.floats(0, 400), st.floats(0, 300), st.floats(5, 150), st.just(14.0)), min_size=1, max_size=25
)


@given(wanted)
@settings(max_examples=60)
def test_labels_never_overlap_each_other_or_a_marker_and_stay_inside(labels: list[Wanted]):
    markers = [Box(w.x - 5, w.y - 5, w.x + 5, w.y + 5) for w in labels]
    boxes = [box for box in place(labels, markers, [], BOUNDS) if box is not None]
    for index, box in enumerate(boxes):
        assert box.inside(BOUNDS)
        assert not any(box.overlaps(other) for other in (*boxes[:index], *markers))


def test_a_lone_label_stands_to_the_right_of_its_point():
    (box,) = place([Wanted(100, 100, 50, 14)], [], [], BOUNDS)
    assert box is not None
    assert (box.left, box.top) == (109, 93)


def test_lines_are_avoided_where_there_is_room_and_crossed_where_there_is_none():
    line = Box(0, 99, 400, 101)
    (clear,) = place([Wanted(200, 100, 50, 14)], [], [line], BOUNDS)
    assert clear is not None
    assert not clear.overlaps(line)
    (crossing,) = place([Wanted(200, 100, 50, 14)], [], [BOUNDS], BOUNDS)
    assert crossing is not None


def test_without_room_a_label_is_left_out():
    assert place([Wanted(10, 10, 500, 14)], [], [], BOUNDS) == [None]
